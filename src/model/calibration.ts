import { constant, input, maximum, neg, reduceMax, reshape } from '../graph/primitives.ts';
import { defineProgram } from '../graph/program.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { LanguageModel } from './language-model.ts';
import type { Weights } from './projection.ts';
import { projectionsOf, type Smoothing, smoothingName } from './smoothing.ts';
import { head, hiddenStates } from './transformer.ts';

/** Smoothing factors of a model whose state holds f32 weights, from its activations on texts of one length [tokens]. */
export async function calibrate(model: LanguageModel, texts: readonly Int32Array[]): Promise<Smoothing> {
  const peaks = await activationPeaks(model, texts);
  const columns = new Map<string, Float32Array>();
  for (const { name, matrix } of projectionsOf(model.config)) {
    const { shape, data } = await model.state.read(matrix);
    const width = shape[1] as number;
    const largest = columns.get(smoothingName(name)) ?? new Float32Array(width);
    for (let i = 0; i < data.length; i++)
      largest[i % width] = Math.max(largest[i % width] as number, Math.abs(data[i] as number));
    columns.set(smoothingName(name), largest);
  }
  return new Map(
    [...columns].map(([name, weights]) => {
      const activations = peaks.get(name) as Float32Array;
      // If the activations or the weights of a channel are all zero, its factor is 1.
      const data = weights.map((weight, j) => Math.sqrt(weight / (activations[j] as number)) || 1);
      return [name, { shape: [data.length], data: data.map((factor) => (Number.isFinite(factor) ? factor : 1)) }];
    }),
  );
}

/** The largest absolute value of every channel of every input of projections, over all texts. */
async function activationPeaks(model: LanguageModel, texts: readonly Int32Array[]): Promise<Map<string, Float32Array>> {
  const shape = [1, (texts[0] as Int32Array).length];
  const outputs: Record<string, Tensor> = {};
  const observe = (projection: string, x: Tensor) => {
    const rows = reshape(x, [-1, x.shape.at(-1) as number]);
    outputs[smoothingName(projection)] ??= reshape(reduceMax(maximum(rows, neg(rows)), [0]), [-1]);
  };
  const weights: Weights = Object.assign(model.lookUp(model.weightNodes()), { observe });
  const canvas = constant({ shape, data: new Float32Array(shape[1] as number).fill(1) });
  head(model.config, weights, hiddenStates(model.config, weights, { tokens: input('tokens', shape, 'i32'), canvas }));
  const program = await model.engine.compile(defineProgram('calibration', { outputs }));
  try {
    const peaks = new Map<string, Float32Array>();
    for (const tokens of texts) {
      const found = await program.run({ tokens: { shape, data: tokens } }, model.state);
      for (const [name, { data }] of Object.entries(found)) {
        const before = peaks.get(name) ?? new Float32Array(data.length);
        peaks.set(
          name,
          before.map((peak, channel) => Math.max(peak, data[channel] as number)),
        );
      }
    }
    return peaks;
  } finally {
    await program.dispose();
  }
}
