import type { LanguageModel } from '../model/language-model.ts';

/** A gap between given tokens, into which canvases of one width are put. */
export interface Gap {
  /** Logits of the places [from, to) of each canvas, [(to - from) * vocab_size] per canvas. */
  logits(
    canvases: readonly Int32Array[],
    range: { readonly from: number; readonly to: number },
  ): Promise<Float32Array[]>;
}

/** Where given text never sees the canvas it is read here, once; else it is read again with every canvas. */
export async function openGap(
  model: LanguageModel,
  { prefix, suffix }: { readonly prefix: readonly number[]; readonly suffix: readonly number[] },
  width: number,
): Promise<Gap> {
  const begin = prefix.length;
  if (model.config.attention === 'prefix-lm') {
    const behind = suffix.map((_, index) => begin + width + index);
    const context = await model.context.read({
      tokens: [...prefix, ...suffix],
      positions: [...prefix.keys(), ...behind],
    });
    return {
      logits: (canvases, range) => model.context.logits(context, canvases, { position: begin, ...range }),
    };
  }
  return {
    logits: (canvases, { from, to }) =>
      model.logits(
        canvases.map((canvas) => ({
          tokens: Int32Array.from([...prefix, ...canvas, ...suffix]),
          places: Array.from({ length: to - from }, (_, index) => begin + from + index),
        })),
      ),
  };
}
