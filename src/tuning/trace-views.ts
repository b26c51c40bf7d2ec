import type { Action } from './actions.ts';
import type { Rollout } from './rollouts.ts';

/** The decoding trace of a completion before it was edited. */
export function draftOf({ tokens, edits }: Pick<Rollout, 'tokens' | 'edits'>): Int32Array {
  return edits?.[0]?.before ?? tokens;
}

/** Denoising steps that a completion took. */
export function traceLength({ revealedAt }: Pick<Rollout, 'revealedAt'>): number {
  return revealedAt.reduce((most, step) => Math.max(most, step), -1) + 1;
}

/** The canvas before a denoising step: what that step and later ones reveal is masked. */
export function stateBefore(rollout: Rollout, step: number, mask: number): Int32Array {
  const { promptTokens, revealedAt } = rollout;
  const draft = draftOf(rollout);
  const state = new Int32Array(promptTokens.length + draft.length);
  state.set(promptTokens);
  draft.forEach((token, place) => {
    state[promptTokens.length + place] = (revealedAt[place] as number) < step ? token : mask;
  });
  return state;
}

/** A denoising step as an action: the log-probability of the tokens that it reveals, times `scale`. */
export function stepAction(rollout: Rollout, step: number, mask: number, scale = 1): Action {
  return [
    {
      seen: stateBefore(rollout, step, mask),
      prompt: rollout.promptTokens.length,
      wanted: draftOf(rollout),
      weights: Float32Array.from(rollout.revealedAt, (own) => (own === step ? scale : 0)),
    },
  ];
}

/** The masked places of a canvas behind its prompt. */
export function openPlaces(state: Int32Array, prompt: number, mask: number): number[] {
  const places: number[] = [];
  for (let place = prompt; place < state.length; place++) if (state[place] === mask) places.push(place);
  return places;
}
