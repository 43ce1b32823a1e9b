// InDetail in the page: help as tooltips, controls that a task fixes in grey, a thumbnail in the closed accordion,
// pictures dropped and pasted in any format that the browser knows.
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

    // The host translates text on the page, but not the tooltips inside it.
    function translated(text) {
        return window.localization?.[text] || text;
    }

    function showHelp(help) {
        for (const [id, english] of Object.entries(help)) {
            const text = translated(english);
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
        const [side, guidance] = known.negative;
        const isNegative = gradioApp().querySelector(`#${side} input:checked`)?.value === "negative";
        const fixed = [...(known.fixed[chosenTask(tab)] || []), ...(isNegative ? [guidance] : [])];
        const everFixed = new Set([...Object.values(known.fixed).flat(), guidance]);
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
        const isRefused = element(tab, "plan")?.querySelector("[data-refused]");
        const picture = isRefused ? null : element(tab, "image")?.querySelector("img");
        let thumbnail = label.querySelector(".indetail-thumbnail");
        if (!picture || (picture.complete && !picture.naturalWidth)) {
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

    // Clears the field and puts a file into it, as a person would by its buttons.
    function putPicture(field, file) {
        field.querySelector(".modify-upload button + button")?.click();
        requestAnimationFrame(() => {
            const input = field.querySelector("input[type=file]");
            if (!input) return;
            const holder = new DataTransfer();
            holder.items.add(file);
            input.files = holder.files;
            input.dispatchEvent(new Event("change", {bubbles: true}));
        });
    }

    // The field that a paste is meant for: under the mouse, or alone on the page with its reconstruction.
    function pasteTarget() {
        for (const tab of tabs) {
            const field = element(tab, "image");
            if (!field || field.offsetParent === null) continue;
            const visible = [...gradioApp().querySelectorAll("[data-testid=image]")].filter(each => each.offsetParent);
            if (field.matches(":hover") || visible.every(each => accordion(tab).contains(each))) return field;
        }
        return null;
    }

    function take(event, field, transfer) {
        const file = field && indetailPictureIn(transfer);
        if (!file) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        putPicture(field, file);
    }

    window.addEventListener("paste", event => take(event, pasteTarget(), event.clipboardData), true);

    window.addEventListener("drop", event => {
        const field = tabs.map(tab => element(tab, "image")).find(each => each?.contains(event.composedPath()[0]));
        take(event, field, event.dataTransfer);
    }, true);

    window.indetailGrey = function(tab) {
        requestAnimationFrame(() => grey(tab));
    };

    window.indetailOpen = function(tab) {
        const checkbox = gradioApp().querySelector(`#script_${tab}_indetail_enabled-checkbox input`);
        if (checkbox && !checkbox.checked) checkbox.click();
        accordion(tab)?.scrollIntoView({behavior: "smooth", block: "center"});
    };

    // Some browsers allow no clipboard on a page without HTTPS: there the text is marked, for a copy by hand.
    window.indetailCopy = async function(tab, text) {
        const button = element(tab, "copy_report");
        try {
            await navigator.clipboard.writeText(text);
            button.classList.add("indetail-copied");
            setTimeout(() => button.classList.remove("indetail-copied"), 3000);
        } catch {
            setTimeout(() => element(tab, "report")?.querySelector("textarea")?.select(), 300);
        }
    };

    onUiLoaded(function() {
        for (const tab of tabs) {
            const known = data(tab);
            if (known) showHelp(known.help);
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
