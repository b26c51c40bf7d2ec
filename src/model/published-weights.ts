import { type HostTensor, type Shape, sizeOf, type TensorSource } from '../graph/tensor.ts';
import type { Architecture, Stored } from './architectures/architecture.ts';
import type { ModelConfig } from './config.ts';

/** How the weights of a model make up the tensors of a family's layout. */
interface Piece {
  /** Our weight. */
  readonly weight: string;
  /** Where it begins: its row in the family's tensor, and the row or column of the part in our weight. */
  readonly row: number;
  readonly from: number;
  readonly rows: number;
  readonly joined: Stored['joined'];
}

interface StoredTensor {
  readonly shape: Shape;
  readonly pieces: Piece[];
}

/** How a family stores a weight, as parts. */
export function storedParts({ stored }: Architecture, config: ModelConfig, name: string, shape: Shape): Stored {
  const found = stored(config, name, shape);
  return typeof found === 'string' ? { parts: [{ name: found, shape }], joined: 'rows' } : found;
}

/**
 * The weights of a model under the names and in the shapes of its family: the inverse of how `openWeights` reads them. Tensors are
 * made one at a time.
 */
export function publishedWeights(source: TensorSource, config: ModelConfig, architecture: Architecture): TensorSource {
  const tensors = layoutOf(source.shapes, config, architecture);
  let last: { readonly name: string; readonly tensor: HostTensor } | null = null;
  const weight = async (name: string): Promise<HostTensor> => {
    // The experts of a layer are parts of one weight, which is read once.
    if (last?.name !== name) last = { name, tensor: await source.read(name) };
    return last.tensor;
  };
  return {
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    async read(name) {
      const { shape, pieces } = tensors.get(name) as StoredTensor;
      const data = new Float32Array(sizeOf(shape));
      const width = sizeOf(shape.slice(1));
      for (const piece of pieces) copyPiece(await weight(piece.weight), piece, data, width);
      return { shape, data };
    },
  };
}

function layoutOf(shapes: ReadonlyMap<string, Shape>, config: ModelConfig, architecture: Architecture) {
  const tensors = new Map<string, StoredTensor>();
  for (const [weight, shape] of shapes) {
    const { parts, joined } = storedParts(architecture, config, weight, shape);
    let from = 0;
    for (const part of parts) {
      const [begin, end] = part.rows ?? [0, part.shape[0] ?? 1];
      const tensor = tensors.get(part.name) ?? { shape: part.shape, pieces: [] };
      tensor.pieces.push({ weight, row: begin, from, rows: end - begin, joined });
      tensors.set(part.name, tensor);
      from += joined === 'rows' ? end - begin : (part.shape[1] as number);
    }
  }
  return tensors;
}

function copyPiece({ shape, data }: HostTensor, piece: Piece, target: Float32Array, width: number): void {
  const { row, from, rows, joined } = piece;
  const own = data as Float32Array;
  if (joined === 'rows') {
    target.set(own.subarray(from * width, (from + rows) * width), row * width);
    return;
  }
  const columns = shape[1] as number;
  for (let index = 0; index < rows; index++)
    target.set(own.subarray(index * columns + from, index * columns + from + width), (row + index) * width);
}
