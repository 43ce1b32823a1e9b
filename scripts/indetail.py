"""InDetail in a WebUI: the script that the host loads."""

import gradio as gr
from modules import script_callbacks, scripts

from lib_indetail.hosts.webui.found import why_not

TITLE, FOLDER = "InDetail", "InDetail folder"
WHY_NOT = why_not()

if not WHY_NOT:
    from lib_indetail.hosts.webui import frames, results
    from lib_indetail.hosts.webui.denoiser_callback import callback
    from lib_indetail.hosts.webui.job import Job
    from lib_indetail.hosts.webui.options import add_options
    from lib_indetail.hosts.webui.page import many
    from lib_indetail.hosts.webui.page.page import Pages
    from lib_indetail.hosts.webui.routes import add_routes
    from lib_indetail.hosts.webui.runtime import runtime
    from lib_indetail.hosts.webui.xyz import add_axes

    pages = Pages(runtime.found)
    script_callbacks.on_after_component(pages.host_component)
    script_callbacks.on_cfg_denoiser(callback.listen)
    add_options()  # both now: without the page the host looks at its options and scripts before any callback
    add_axes(runtime.folder)
    script_callbacks.on_before_ui(lambda: add_axes(runtime.folder))
    script_callbacks.on_app_started(add_routes)
    script_callbacks.on_script_unloaded(runtime.clear)
    for around in runtime.host.lasting:
        around.install()
        script_callbacks.on_script_unloaded(around.remove)


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

    def postprocess_batch_list(self, p, pp, *args, **kwargs):
        if not WHY_NOT and (strips := runtime.frames(Job(p))):
            pp.images = frames.show(p, list(pp.images), strips)

    def postprocess(self, p, processed, *args):
        if not WHY_NOT:
            results.append(processed, {**frames.all_strips(Job(p), processed), **runtime.finish(Job(p))})


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
