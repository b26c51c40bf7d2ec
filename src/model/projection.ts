import { linear } from '../graph/compositions.ts';
import { add, mul } from '../graph/primitives.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Looks a weight up by its name in the checkpoint. */
export interface Weights {
  (name: string): Tensor;
  /** The update that an adapter adds to a projection, by its name without `.weight`; undefined: no adapter. */
  readonly lora?: (projection: string) => Lora | undefined;
  /** The factors that a projection's input is multiplied by (`smoothing.ts`), [in]; undefined: none. */
  readonly smoothing?: (projection: string) => Tensor | undefined;
  /** The trained rows of the embeddings or of the head, by the name of the matrix; undefined: none. */
  readonly tokens?: (matrix: string) => TokenRows | undefined;
  /** Added to the embeddings of all tokens [batch, length, hidden_size]; undefined: nothing. */
  readonly noise?: Tensor | undefined;
  /** Called with the input of every projection, for calibration. */
  readonly observe?: (projection: string, x: Tensor) => void;
}

/** The two factors of a low-rank update (LoRA, arXiv 2106.09685): [rank, in] and [out, rank]. */
export interface Lora {
  readonly a: Tensor;
  readonly b: Tensor;
  /** The factor of the update: alpha / rank. */
  readonly scale: number;
}

/** Rows of a matrix of the vocabulary that an adapter replaces: token ids, and their rows [ids.length, hidden_size]. */
export interface TokenRows {
  readonly ids: readonly number[];
  readonly rows: Tensor;
}

/** The weights of a part of the model, by the rest of their names after the part's name. */
export function weightsUnder(weight: Weights, part: string): Weights {
  const under = (name: string): Tensor => weight(`${part}.${name}`);
  const { lora, smoothing, observe } = weight;
  return Object.assign(
    under,
    lora && { lora: (projection: string) => lora(`${part}.${projection}`) },
    smoothing && { smoothing: (projection: string) => smoothing(`${part}.${projection}`) },
    observe && { observe: (projection: string, x: Tensor) => observe(`${part}.${projection}`, x) },
  );
}

/**
 * Applies a projection to x [..., in]: W x, plus the bias if there is one, plus (alpha / r) B (A x) if there is an adapter
 * (arXiv 2106.09685, equation 3). The result is [..., out].
 */
export function project(of: Weights, name: string, x: Tensor, bias?: Tensor): Tensor {
  of.observe?.(name, x);
  const smoothing = of.smoothing?.(name);
  const y = linear(smoothing ? mul(x, smoothing) : x, of(`${name}.weight`), bias);
  const lora = of.lora?.(name);
  return lora ? add(y, linear(mul(linear(x, lora.a), lora.scale), lora.b)) : y;
}
