// InDetail in the page: what the browser shows and the server cannot read (drawings; photos of new formats, where the
// browser knows them) is turned into pixels before it is sent. What neither knows goes as it is, and is refused by name.
"use strict";

(function() {
    const fields = /^script_(txt2img|img2img)_indetail_((image|reference_mask|output_mask)(_\d+)?|folder_files)$/;
    const pictures = /\.(svg|heic|heif|jxl|avif|tiff?|jp2|ico)$/i;
    const drawingSide = 1024;
    const passed = new WeakSet();

    // Also without a kind, which the browser leaves out of those that it does not know.
    function isPicture(file) {
        return file.type.startsWith("image/") || pictures.test(file.name);
    }

    function needsPixels(file) {
        const known = gradioApp().querySelector("[data-indetail]");
        const isReadable = !known || JSON.parse(known.dataset.indetail).readable.includes(file.type);
        return isPicture(file) && !isReadable && !passed.has(file);
    }

    // A drawing has no size that it must be drawn at; it is given one that shows its details.
    function sizeOf(image, file) {
        const [width, height] = [image.naturalWidth || drawingSide, image.naturalHeight || drawingSide];
        const scale = file.type === "image/svg+xml" ? Math.max(1, drawingSide / Math.max(width, height)) : 1;
        return [Math.round(width * scale), Math.round(height * scale)];
    }

    async function pixels(file) {
        const address = URL.createObjectURL(file);
        try {
            const image = new Image();
            image.src = address;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = sizeOf(image, file);
            canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
            const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
            return blob && new File([blob], file.name.replace(/\.[^.]*$/, "") + ".png", {type: "image/png"});
        } catch {
            return null;
        } finally {
            URL.revokeObjectURL(address);
        }
    }

    async function inPixels(file) {
        const made = needsPixels(file) ? await pixels(file) : file;
        if (!made) passed.add(file);
        return made || file;
    }

    // As a person would choose them.
    function choose(input, files) {
        const holder = new DataTransfer();
        files.forEach(file => holder.items.add(file));
        input.files = holder.files;
        input.dispatchEvent(new Event("change", {bubbles: true}));
    }

    // The field of ours that something happens in: the outermost element with its id.
    window.indetailFieldOf = function(node) {
        for (let each = node; each; each = each.parentElement) {
            if (fields.test(each.id || "") && !each.parentElement?.closest(`#${each.id}`)) return each;
        }
        return null;
    };

    window.indetailPictureIn = function(transfer) {
        return [...(transfer?.files || [])].find(isPicture);
    };

    window.addEventListener("change", event => {
        const input = event.target;
        if (input?.type !== "file" || !indetailFieldOf(input)) return;
        const files = [...(input.files || [])];
        if (!files.some(needsPixels)) return;
        event.stopImmediatePropagation();
        Promise.all(files.map(inPixels)).then(made => choose(input, made));
    }, true);

    window.addEventListener("drop", event => {
        const field = indetailFieldOf(event.composedPath()[0]);
        const input = field?.querySelector("input[type=file]");
        const files = [...(event.dataTransfer?.files || [])];
        if (!input || !files.some(needsPixels)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        choose(input, input.multiple ? files : files.filter(isPicture).slice(0, 1));
    }, true);
})();
