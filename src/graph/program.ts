import { topologicalOrder } from './differentiate.ts';
import type { Tensor } from './tensor.ts';

/**
 * What an engine compiles and runs: named outputs, computed from inputs and from state that the engine keeps between
 * runs. After a run, `updates` are the new values of the state.
 */
export interface Program {
  readonly name: string;
  /** All nodes, each after its inputs. */
  readonly nodes: readonly Tensor[];
  readonly inputs: ReadonlyMap<string, Tensor<'input'>>;
  readonly state: ReadonlyMap<string, Tensor<'state'>>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly updates: ReadonlyMap<string, Tensor>;
}

export interface ProgramParts {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly updates?: ReadonlyMap<string, Tensor>;
}

/**
 * Collects the nodes that the results depend on. Throws if two leaves have the same name, or if an update changes the
 * shape of its state.
 */
export function defineProgram(name: string, { outputs, updates = new Map() }: ProgramParts): Program {
  const nodes = topologicalOrder([...Object.values(outputs), ...updates.values()]);
  const inputs = new Map<string, Tensor<'input'>>();
  const state = new Map<string, Tensor<'state'>>();
  for (const node of nodes) {
    if (node.primitive === 'input') claim(inputs, node as Tensor<'input'>, name);
    if (node.primitive === 'state') claim(state, node as Tensor<'state'>, name);
  }
  for (const [key, next] of updates) {
    const current = state.get(key);
    const was = current ? describe(current) : `f32[${next.shape}]`;
    if (describe(next) !== was)
      throw new Error(`${name}: the update of ${key} is ${describe(next)}, but the state is ${was}`);
  }
  for (const [key, { dtype }] of Object.entries(outputs))
    if (dtype === 'bool') throw new Error(`${name}: output ${key} is bool, which cannot leave a program; cast it`);
  return { name, nodes, inputs, state, outputs: new Map(Object.entries(outputs)), updates };
}

const describe = ({ dtype, shape }: Tensor): string => `${dtype}[${shape}]`;

function claim<T extends Tensor<'input'> | Tensor<'state'>>(known: Map<string, T>, leaf: T, program: string): void {
  const { name } = leaf.attributes;
  if (known.has(name) && known.get(name) !== leaf)
    throw new Error(`${program}: two different leaves are named ${name}`);
  known.set(name, leaf);
}
