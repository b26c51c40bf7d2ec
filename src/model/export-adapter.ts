import type { HostTensor } from '../graph/tensor.ts';
import { type AdapterNames, writeAdapter } from './adapter-folder.ts';
import type { Architecture } from './architectures/architecture.ts';
import type { ModelConfig } from './config.ts';
import { type Adapter, factorA, factorB, targetShapes, tokenRows, vocabularyMatrices } from './lora.ts';
import { storedParts } from './published-weights.ts';

/**
 * Writes an adapter under its family's names of modules, as PEFT finds them in the authors' class. A factor of experts, which are one
 * weight here, is split into those of the single experts, and those of queries, keys and values that the family stores in one matrix
 * are joined; what it computes stays the same.
 *
 * The adapter of a conversion computes the same for other programs if these give the attention of the canvas as a mask
 * (`conversion.ts`). The folder then also records the conversion, so that Unmask reads it as it was.
 */
export async function exportAdapter(
  folder: string,
  adapter: Adapter,
  config: ModelConfig,
  architecture: Architecture,
): Promise<{ readonly tensors: number }> {
  const weights = new Map<string, HostTensor>();
  const modules: string[] = [];
  const fused = new Map<string, FusedFactors[]>();
  for (const [projection, shape] of targetShapes(config, adapter.targets)) {
    const { parts, joined } = storedParts(architecture, config, `${projection}.weight`, shape);
    const [a, b] = [factorA(projection), factorB(projection)].map((name) => adapter.weights.get(name)) as [
      HostTensor,
      HostTensor,
    ];
    let from = 0;
    for (const part of parts) {
      const module = part.name.replace(/\.weight$/, '');
      const [rows, columns] = part.shape as [number, number];
      if (part.rows) {
        const own = { a, b, from: part.rows[0], of: rows };
        fused.set(module, [...(fused.get(module) ?? []), own]);
        continue;
      }
      modules.push(module);
      weights.set(factorA(module), joined === 'rows' ? a : columnsOf(a, from, columns));
      weights.set(factorB(module), joined === 'rows' ? rowsOf(b, from, rows) : b);
      from += joined === 'rows' ? rows : columns;
    }
  }
  for (const [module, parts] of fused) {
    const { a, b } = joinFactors(parts);
    modules.push(module);
    weights.set(factorA(module), a).set(factorB(module), b);
  }
  const matrices: string[] = [];
  for (const matrix of vocabularyMatrices(config)) {
    const rows = adapter.weights.get(tokenRows(matrix));
    if (!rows) continue;
    const own = storedParts(architecture, config, matrix, [config.vocab_size, config.hidden_size]).parts[0]!.name;
    matrices.push(own.replace(/\.weight$/, ''));
    weights.set(tokenRows(own), rows);
  }
  const scales = Object.fromEntries(
    [...fused].map(([module, parts]) => [
      module.split('.').at(-1),
      { rank: adapter.rank * parts.length, alpha: adapter.alpha * parts.length },
    ]),
  );
  const names: AdapterNames = { targets: targetsOf(modules), matrices, scales };
  await writeAdapter(folder, { ...adapter, weights }, names);
  return { tensors: weights.size };
}

/**
 * What PEFT takes as `target_modules`: the modules' own names, or a regular expression if one of these names also ends the path of
 * another module (LLaDA's head has the name of its down projections, `ff_out`).
 */
function targetsOf(modules: readonly string[]): readonly string[] | string {
  const names = [...new Set(modules.map((module) => module.split('.').at(-1) as string))];
  if (!names.includes('ff_out')) return names;
  return `.*\\.blocks\\.\\d+\\.(${names.join('|')})`;
}

/** The factors of a projection whose matrix is some of the rows of a stored one, which has `of` rows. */
interface FusedFactors {
  readonly a: HostTensor;
  readonly b: HostTensor;
  readonly from: number;
  readonly of: number;
}

/**
 * Factors of a stored matrix that holds several projections: A has the rows of all their factors A, and B has their factors B next to
 * each other, each in the rows of its projection. The rank is the sum of their ranks.
 */
function joinFactors(parts: readonly FusedFactors[]): { a: HostTensor; b: HostTensor } {
  const [{ a: first, of: rows }] = parts as [FusedFactors];
  const inputs = first.shape[1] as number;
  const rank = parts.reduce((sum, { a }) => sum + (a.shape[0] as number), 0);
  const above = new Float32Array(rank * inputs);
  const below = new Float32Array(rows * rank);
  let at = 0;
  for (const { a, b, from } of parts) {
    above.set(a.data as Float32Array, at * inputs);
    const [length, own] = b.shape as [number, number];
    for (let row = 0; row < length; row++)
      below.set((b.data as Float32Array).subarray(row * own, (row + 1) * own), (from + row) * rank + at);
    at += own;
  }
  return { a: { shape: [rank, inputs], data: above }, b: { shape: [rows, rank], data: below } };
}

function rowsOf({ shape, data }: HostTensor, from: number, rows: number): HostTensor {
  const width = shape[1] as number;
  return { shape: [rows, width], data: data.slice(from * width, (from + rows) * width) };
}

function columnsOf({ shape, data }: HostTensor, from: number, columns: number): HostTensor {
  const [rows, width] = shape as [number, number];
  const part = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    part.set((data as Float32Array).subarray(row * width + from, row * width + from + columns), row * columns);
  return { shape: [rows, columns], data: part };
}
