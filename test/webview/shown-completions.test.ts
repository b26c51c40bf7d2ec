import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompletionFrame } from '../../src/protocol/runtime.ts';
import { fold, unfold } from '../../webview/panel/saved-denoising.ts';
import * as watching from '../../webview/panel/shown-completions.ts';
import { codeDenoising, codeText, denoiseResult, liveFrames } from '../browser/panel-example.ts';

const following = (frames: readonly CompletionFrame[], from = watching.nothingShown) =>
  frames.reduce((watched, frame) => watching.withLiveFrame(watched, frame, false), from);
const framesOf = (watched: watching.ShownCompletions) => watching.shownCompletion(watched)?.denoising.frames.length;

describe('the denoising view', () => {
  it('shows the running completion, whose text is known at its end', () => {
    const frames = liveFrames(1);
    const first = following(frames.slice(0, 2));
    assert.deepEqual([first.source, framesOf(first), watching.shownCompletion(first)?.text], ['live', 2, null]);
    const done = following(frames.slice(2), first);
    assert.deepEqual([framesOf(done), watching.shownCompletion(done)?.text], [frames.length, codeText]);
    const [next] = liveFrames(2);
    assert.equal(framesOf(watching.withLiveFrame(done, next!, false)), 1);
  });

  it('shows no text if a token is part of a character', () => {
    const frame = liveFrames(1).at(-1)!;
    const tokens = ['\ufffd', '\ufffd'];
    const broken = watching.withLiveFrame(
      watching.nothingShown,
      { ...frame, frame: { ...frame.frame, tokens } },
      false,
    );
    assert.equal(watching.shownCompletion(broken)?.text, null);
  });

  it('stays while the user scrubs, and offers the newest completion', () => {
    const [one, two, three] = [liveFrames(1), liveFrames(2), liveFrames(3)];
    let watched = following(one);
    for (const frame of [...two, ...three.slice(0, 2)]) watched = watching.withLiveFrame(watched, frame, true);
    assert.equal(watching.shownGroup(watched)?.key, 'live 1');
    const followed = watching.showNewest(watched);
    assert.deepEqual([watching.shownGroup(followed)?.key, framesOf(followed), followed.waiting], ['live 3', 2, null]);
    assert.equal(framesOf(watching.withLiveFrame(followed, three[2]!, false)), 3);
  });

  it('shows a requested completion step by step, alternative by alternative', () => {
    const result = denoiseResult();
    let watched = watching.startRequest(following(liveFrames(1)), 'here 1');
    assert.equal(watching.shownCompletion(watched), null);
    watched = watching.withRequestFrame(watched, 1, result.alternatives[1]!.denoising.frames[0]!);
    assert.equal(watching.shownGroup(watched)?.alternatives.length, 2);
    watched = watching.chooseAlternative(watched, 1);
    assert.equal(framesOf(watched), 1);
    assert.equal(watching.savedState(watched), null, 'an unfinished completion is not saved');
    assert.equal(watching.withoutUnfinished(watched).source, 'live');
    watched = watching.withResult(watched, 'here 2', result, false);
    assert.equal(watching.shownCompletion(watched)?.text, "'';", 'the chosen alternative stays');
    assert.equal(watching.withoutUnfinished(watched), watched);
    // Another completion in an editor does not replace it.
    assert.equal(following(liveFrames(2), watched).source, 'here');
  });

  it('ends with the alternative that an editor would show, unless the user chose another one or is scrubbing', () => {
    const result = { ...denoiseResult(), best: 1 };
    const started = watching.withRequestFrame(
      watching.startRequest(watching.nothingShown, 'here 1'),
      0,
      result.alternatives[0]!.denoising.frames[0]!,
    );
    const chosen = (scrubbing: boolean, best: number, before = started) =>
      watching.shownGroup(watching.withResult(before, 'here 2', { ...result, best }, scrubbing))?.chosen;
    assert.deepEqual([chosen(false, 1), chosen(true, 1), chosen(false, 0)], [1, 0, 0]);
    assert.equal(chosen(false, 0, watching.chooseAlternative(started, 1)), 1);
  });

  it('can be saved and restored', () => {
    const watched = watching.chooseAlternative(
      watching.withResult(watching.nothingShown, 'here 1', denoiseResult(), false),
      1,
    );
    const kept = watching.savedState(watched);
    assert.ok(kept?.kind === 'here');
    assert.deepEqual(watching.restoredState(JSON.parse(JSON.stringify(kept))), watched);
  });
});

describe('a folded denoising trace', () => {
  it('unfolds to the same frames', () => {
    const denoising = codeDenoising('a title');
    assert.deepEqual(unfold(fold(denoising)), denoising);
    assert.ok(JSON.stringify(fold(denoising)).length < JSON.stringify(denoising).length / 4);
  });
});
