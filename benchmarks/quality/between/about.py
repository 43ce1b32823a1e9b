"""What the section of the evidence says before its tables: what was measured how, and what each row is."""

from __future__ import annotations

from benchmarks.quality.between.arms import FRAMES
from benchmarks.quality.between.weaving import SCALE, STEPS

ABOUT = f"""Strips of {FRAMES} images between two prompts are measured here by the figures of the authors of AID and
PAID (the paper's section 4.1). Where d are the distances between neighbours, *consistency* is their mean,
*smoothness* is 1 less their Gini coefficient, and *largest step* is the largest of them. **The distance is not the
authors'.** They take LPIPS, which cannot be had here, as its weights are nowhere in this project. Ours is 1 less the
cosine of the pictures' means of 8 x 8 pixels, by which the golden cases `dynamic_*` choose their frames. It sees where
colours lie and little of textures. So no figure can be held against one of the paper's; the order of the rows can. It
is the order of the small embedded model on drawn shapes, and nothing here is known of a real checkpoint.

Pairs are of shape to shape ("a star" to "a heart"), of pattern to pattern ("a striped ring" to "a dotted ring") and
of both ("a striped ring" to "a dotted heart"), equally many, drawn with a fixed seed. No pair can be held out of
training: what was held out are combinations of shape, pattern and colours, and prompts name no colours. All rows have
the same pairs and noises, {STEPS} DDIM steps, guidance scale {SCALE:g} and even places. Images between read their
ends in the first half of the steps. Brackets have 95 % intervals, a bootstrap over pairs.
`python -m benchmarks.quality.between --report docs/evidence.md` writes this section, and draws its sheets with
`--sheets`.

- *Fused outer* is our *layout*, *fused inner* our *concept*; *pure* ones are the same *of the ends alone*.
- In *text blend alone* texts and noises lie between those of the ends, and attention is left as it is. It is our
  *texts alone*, and the authors' text embedding interpolation.
- In *denoising interpolation*, the authors' other baseline, the image at t of the way has the first prompt in the
  first 1 - t of the steps and the last prompt after them; attention is left as it is.
- In *noise blend alone* the noise lies between that of the ends, and each image has the prompt of the nearer end.
  With one noise for both ends that would be two images and no strip, so it stands in the second table alone.

The model hardly follows the word of a pattern: with the same noise, strips of pattern to pattern stand still (see *by
kind of pair*), and how smoothly they do so tells nothing. They are counted with the others all the same. Between
patterns this model goes by image prompts, as the sheet of patterns shows. Six pairs were added to the first 42 because
of them, so that more than 30 move; over those 42, with the same noise, *fused inner* was surely below *denoising
interpolation* in consistency, and of *fused outer* and *fused inner* that was not decided, nor with noises of their own
which of these two is smoother.

Consistency alone says little: a strip that stands still and jumps once has a sixth of the distance between its ends,
and its smoothness is 0.17."""
ORDER = """The authors' order is what the caption of the paper's table 1 says: both fused ways improve on text
embedding interpolation, denoising interpolation is very bad in consistency, outer is ahead in consistency and inner
in smoothness, and attention between, before it is fused, heightens consistency. What fusing is for, by that caption,
is fidelity, which these figures do not see. Differences are by pair, and above 0 they speak for the authors."""
PLACES = f"""The authors' dynamic selection with *fused outer* and the same noise at both ends: {2 * FRAMES} images
are made where the distances so far say that the way is longest, and of those the {FRAMES} that make the smoothest
strip are taken, both ends among them. Their README says that it improves smoothness further."""
BY_KIND = "By kind of pair, the means alone:"
SEEN = """What the sheets show, of the first pairs of each kind, none chosen:

- *Shape to shape*: in nearly all rows the shape turns into the other within one step, in the second pair by way of a
  shape between. What attention between adds is before and after that step: the colours of shape and background go
  over in several steps, where in *text blend alone* most of them turn with the shape, and in the second pair pass a
  white shape that neither end has. The four ways look alike. The stripes of the square are lost in the first step
  already. *Denoising interpolation* keeps the first image's colours until late and tears a frame or two in two of the
  pairs; in the third it bends the square into the heart more evenly than any other row.
- *Pattern to pattern*: by prompts with the same noise nothing moves. Noises of their own bring other colours and
  blots, hardly the patterns that are named. Between image prompts the colours go over evenly; *layout* has pieces of
  both patterns in the middle, *concept* a nearly plain middle. A morph leaves the shape on its way: the cross becomes
  a ring, the flower a disc. The first morph also ends in a striped ring, which is what the model makes of that
  picture's inversion.
- *Picture to picture*: image prompts do as between patterns. The morphs pass a ring, a plain cross and a dark blot,
  and each has one large step."""
