"""InDetail in the AUTOMATIC1111 WebUI: the script that the host loads."""

import importlib.util

import gradio as gr
from modules import script_callbacks, scripts

TITLE, FOLDER = "InDetail", "InDetail folder"
EXPLANATIONS = {
    "InDetail: Forge and its kin are not supported yet.": importlib.util.find_spec("modules_forge") is not None,
    "InDetail needs version 1.10 of the WebUI or newer.": not hasattr(scripts.Script, "process_before_every_sampling"),
}
WHY_NOT = next((sentence for sentence, holds in EXPLANATIONS.items() if holds), None)

if not WHY_NOT:
    from lib_indetail.hosts.a1111 import results
    from lib_indetail.hosts.a1111.denoiser_rows import rows
    from lib_indetail.hosts.a1111.job import Job
    from lib_indetail.hosts.a1111.nested_generations import depth
    from lib_indetail.hosts.a1111.options import add_options
    from lib_indetail.hosts.a1111.page import many
    from lib_indetail.hosts.a1111.page.page import Pages
    from lib_indetail.hosts.a1111.routes import add_routes
    from lib_indetail.hosts.a1111.runtime import runtime
    from lib_indetail.hosts.a1111.xyz import add_axes

    pages = Pages(runtime.found)
    script_callbacks.on_after_component(pages.host_component)
    script_callbacks.on_cfg_denoiser(rows.listen)
    add_options()  # both now: without the page the host looks at its options and scripts before any callback
    add_axes(runtime.folder)
    script_callbacks.on_before_ui(lambda: add_axes(runtime.folder))
    script_callbacks.on_app_started(add_routes)
    script_callbacks.on_script_unloaded(runtime.clear)
    depth.install()
    script_callbacks.on_script_unloaded(depth.remove)


class InDetailScript(scripts.Script):
    """On a host that InDetail does not know it shows one sentence, and touches nothing."""

    def title(self):
        return TITLE

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        if WHY_NOT:
            with gr.Accordion(TITLE, open=False):
                gr.HTML(WHY_NOT)
            return []
        page = pages.build("img2img" if is_img2img else "txt2img", self.elem_id)
        self.infotext_fields, self.paste_field_names = page.paste_fields()
        return page.inputs

    def process(self, p, *args):
        if not WHY_NOT:
            runtime.begin(Job(p), args)

    def before_process_batch(self, p, *args, **kwargs):
        if not WHY_NOT:
            runtime.begin_batch(Job(p))

    def process_before_every_sampling(self, p, *args, **kwargs):
        if not WHY_NOT:
            runtime.arm(Job(p), args)

    def postprocess_batch(self, p, *args, **kwargs):
        if not WHY_NOT:
            runtime.end_batch(Job(p))

    def postprocess(self, p, processed, *args):
        if not WHY_NOT:
            results.append(processed, runtime.finish(Job(p)))


class InDetailFolderScript(scripts.Script):
    """In the host's list of scripts: many pictures, one after the other or all together."""

    def title(self):
        return FOLDER

    def show(self, is_img2img):
        return not WHY_NOT

    def ui(self, is_img2img):
        return many.controls(self.elem_id)

    def run(self, p, mode, files, subfolder):
        return many.run(p, mode, files, subfolder, runtime.folder)
