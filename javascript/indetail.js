// InDetail in the page: help as tooltips, controls that a task fixes in grey, a thumbnail in the closed accordion.
"use strict";

(function() {
    const tabs = ["txt2img", "img2img"];

    function accordion(tab) {
        return gradioApp().querySelector(`#script_${tab}_indetail_enabled`);
    }

    function element(tab, name) {
        return gradioApp().querySelector(`#script_${tab}_indetail_${name}`);
    }

    function data(tab) {
        const holder = element(tab, "hints")?.querySelector("[data-indetail]");
        return holder ? JSON.parse(holder.dataset.indetail) : null;
    }

    function showHelp(tab, help) {
        for (const [id, text] of Object.entries(help)) {
            const control = gradioApp().querySelector("#" + id);
            if (control && control.title !== text) control.title = text;
        }
    }

    function chosenTask(tab) {
        return element(tab, "task")?.querySelector("input:checked")?.value;
    }

    function grey(tab) {
        const known = data(tab);
        if (!known) return;
        const fixed = known.fixed[chosenTask(tab)] || [];
        const everFixed = new Set(Object.values(known.fixed).flat());
        for (const id of everFixed) {
            const control = gradioApp().querySelector("#" + id);
            if (!control) continue;
            const isFixed = fixed.includes(id);
            control.classList.toggle("indetail-fixed", isFixed);
            control.querySelectorAll("input, textarea").forEach(input => {
                input.disabled = isFixed;
            });
        }
    }

    function showThumbnail(tab) {
        const label = accordion(tab)?.querySelector(".label-wrap");
        if (!label) return;
        const picture = element(tab, "image")?.querySelector("img");
        let thumbnail = label.querySelector(".indetail-thumbnail");
        if (!picture) {
            thumbnail?.remove();
            return;
        }
        if (!thumbnail) {
            thumbnail = document.createElement("img");
            thumbnail.className = "indetail-thumbnail";
            thumbnail.alt = "image prompt";
            label.insertBefore(thumbnail, label.lastElementChild);
        }
        if (thumbnail.src !== picture.src) thumbnail.src = picture.src;
    }

    window.indetailGrey = grey;

    window.indetailOpen = function(tab) {
        const checkbox = gradioApp().querySelector(`#script_${tab}_indetail_enabled-checkbox input`);
        if (checkbox && !checkbox.checked) checkbox.click();
        accordion(tab)?.scrollIntoView({behavior: "smooth", block: "center"});
    };

    onUiLoaded(function() {
        for (const tab of tabs) {
            const known = data(tab);
            if (known) showHelp(tab, known.help);
            grey(tab);
        }
    });

    onAfterUiUpdate(function() {
        for (const tab of tabs) {
            grey(tab);
            showThumbnail(tab);
        }
    });
})();
