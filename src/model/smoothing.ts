/**
 * SmoothQuant (arXiv 2211.10438). Some channels of an activation are a hundred times larger than the others. With one scale per
 * token, the other channels lose most of their bits. Therefore the input x of projections is divided by s, and the columns of
 * their matrices are multiplied by s. In exact arithmetic this changes nothing: W x = (W diag(s)) (x / s), with
 * s_j = (max |x_j| / max |W_j|) ^ 1/2 (equation 4, alpha 0.5).
 */
import type { HostTensor, Shape, TensorSource } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { headName, weightShapes } from './transformer.ts';

/** The factors 1 / s [in] of each input of projections, by the name of the factors (`smoothingName`). */
export type Smoothing = ReadonlyMap<string, HostTensor>;

/** The name of the factors for a projection's input. Projections with the same input share their factors. */
export function smoothingName(projection: string): string {
  const input = projection
    .replace(/\.[qkv]_proj$/, '.qkv')
    .replace(/\.(gate|up)_proj$/, '.gate_up')
    .replace(/_proj$/, '');
  return `${input}.smoothing`;
}

/** The projections of a model, including the head: their names, and the names and shapes [out, in] of their matrices. */
export function projectionsOf(
  config: ModelConfig,
): { readonly name: string; readonly matrix: string; readonly shape: Shape }[] {
  const shapes = weightShapes(config);
  const projections = [...shapes.keys()].filter((name) => name.endsWith('_proj.weight'));
  return [...projections, headName(config)].map((matrix) => ({
    name: matrix === headName(config) ? 'lm_head' : matrix.slice(0, -'.weight'.length),
    matrix,
    shape: shapes.get(matrix) as Shape,
  }));
}

/** Names and shapes of a model's smoothing factors. */
export const smoothingShapes = (config: ModelConfig): Map<string, Shape> =>
  new Map(projectionsOf(config).map(({ name, shape }) => [smoothingName(name), [shape[1] as number]]));

/** Weights with projection matrices multiplied by s, together with the smoothing factors. */
export function smoothed(config: ModelConfig, weights: TensorSource, smoothing: Smoothing): TensorSource {
  const inputs = new Map(projectionsOf(config).map(({ name, matrix }) => [matrix, smoothingName(name)]));
  const factors = new Map([...smoothing].map(([name, { shape }]) => [name, shape]));
  return {
    shapes: new Map([...weights.shapes, ...factors]),
    async read(name) {
      const own = smoothing.get(name);
      if (own) return { shape: own.shape, data: own.data.slice() };
      const value = await weights.read(name);
      const inverse = smoothing.get(inputs.get(name) ?? '');
      if (!inverse) return value;
      const { data } = value;
      const width = value.shape[1] as number;
      for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) / (inverse.data[i % width] as number);
      return value;
    },
  };
}
