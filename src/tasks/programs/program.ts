import { createHash } from 'node:crypto';
import type { Random } from '../../platform/random.ts';
import { conditions, type Operation, operations, type Value, type ValueType } from './operations.ts';

export interface Variable {
  readonly name: string;
  readonly type: ValueType;
}

/** A variable or a small whole number. */
export type Atom = Variable | number;

/** An operation with its operands, and the index of the description that is used. */
interface Application {
  readonly operation: Operation;
  readonly operands: readonly Atom[];
  readonly wording: number;
}

/** A statement of a program: a new local variable, an early return if a condition holds, or the final return. */
export type Statement =
  | { readonly kind: 'const'; readonly variable: Variable; readonly value: Application }
  | { readonly kind: 'if'; readonly condition: Application; readonly result: Atom }
  | { readonly kind: 'return'; readonly value: Application };

/** A function of one to four statements. */
export interface Program {
  readonly parameters: readonly Variable[];
  readonly result: ValueType;
  readonly statements: readonly Statement[];
}

const parameterNames: Readonly<Record<ValueType, readonly string[]>> = {
  number: ['a', 'b', 'c'],
  string: ['s', 't'],
  numbers: ['xs', 'ys'],
  point: ['p', 'q'],
};
const localNames = ['u', 'v', 'w'];

/** Relative frequencies of types and of numbers of statements. */
const typeWeights = { number: 4, numbers: 3, string: 2, point: 1 } as const;
const statementWeights = { 1: 2, 2: 4, 3: 3, 4: 1 } as const;

/** The constants in programs. With 0 or 1, many operations would have the same result as others. */
const constants = [2, 3, 4, 5] as const;

/** A random program in which every parameter and every local variable is used; null if this attempt failed. */
export function drawProgram(random: Random): Program | null {
  const parameters: Variable[] = [];
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const type = weighted(random, typeWeights);
    const name = parameterNames[type].find((free) => !parameters.some((parameter) => parameter.name === free));
    if (name !== undefined) parameters.push({ name, type });
  }
  const result = weighted(random, typeWeights);
  const scope = [...parameters];
  const used = new Set<string>();
  const statements: Statement[] = [];
  const apply = (choices: readonly Operation[]): Application | null => {
    const operation = random.pick(choices);
    const operands: Atom[] = [];
    for (const kind of operation.operands) {
      const type = kind === 'number or constant' ? 'number' : kind;
      const isConstant = type === 'constant' || (kind === 'number or constant' && random.uniform() < 0.5);
      // Operands differ, because an operation on the same variable twice, such as a - a, is often a constant.
      const fitting = scope.filter((variable) => variable.type === type && !operands.includes(variable));
      const fresh = fitting.filter(({ name }) => !used.has(name));
      if (!isConstant && fitting.length === 0) return null;
      operands.push(isConstant ? random.pick(constants) : random.pick(fresh.length > 0 ? fresh : fitting));
    }
    for (const operand of operands) if (typeof operand !== 'number') used.add(operand.name);
    return { operation, operands, wording: random.integer(operation.words.length) };
  };
  for (let left = Number(weighted(random, statementWeights)) - 1; left > 0; left--) {
    if (random.uniform() < 0.3) {
      const condition = apply(conditions);
      const results: Atom[] = scope.filter(({ type }) => type === result);
      if (result === 'number') results.push(random.pick(constants));
      if (condition === null || results.length === 0) return null;
      const chosen = random.pick(results);
      if (typeof chosen !== 'number') used.add(chosen.name);
      statements.push({ kind: 'if', condition, result: chosen });
    } else {
      const type = weighted(random, typeWeights);
      const value = apply(operations[type]);
      if (value === null) return null;
      const variable = { name: localNames[scope.length - parameters.length]!, type };
      statements.push({ kind: 'const', variable, value });
      scope.push(variable);
    }
  }
  const value = apply(operations[result]);
  if (value === null || scope.some(({ name }) => !used.has(name))) return null;
  statements.push({ kind: 'return', value });
  return { parameters, result, statements };
}

function weighted<Key extends string | number>(random: Random, weights: Readonly<Record<Key, number>>): Key {
  const entries = Object.entries(weights) as [Key, number][];
  let at = random.integer(entries.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [key, weight] of entries) {
    if (at < weight) return key;
    at -= weight;
  }
  throw new Error('there are no weights');
}

/**
 * The statements and operations of a program without names, constants and wordings. Programs with the same structure are
 * in the same part of the split.
 */
export const structureOf = ({ statements }: Program): string =>
  statements
    .map(
      (statement) =>
        `${statement.kind} ${(statement.kind === 'if' ? statement.condition : statement.value).operation.name}`,
    )
    .join('; ');

export type ProgramPart = 'training' | 'validation' | 'test';

/**
 * The part of the split that a program belongs to. By the digest of its structure, an eighth of the programs is for validation and an
 * eighth for testing. Programs of one statement are for training only.
 */
export function partOf(program: Program): ProgramPart {
  if (program.statements.length === 1) return 'training';
  const eighth = createHash('sha256').update(structureOf(program)).digest()[0]! % 8;
  return eighth === 0 ? 'validation' : eighth === 1 ? 'test' : 'training';
}

const typeNames: Readonly<Record<ValueType, string>> = {
  number: 'number',
  string: 'string',
  numbers: 'number[]',
  point: '{ x: number; y: number }',
};

/** The description and the head of the function `f`, up to its body. */
export function headOf({ parameters, result, statements }: Program): string {
  const list = parameters.map(({ name, type }) => `${name}: ${typeNames[type]}`).join(', ');
  return `/** ${statements.map(describe).join(' ')} */\nexport function f(${list}): ${typeNames[result]} {\n`;
}

function describe(statement: Statement): string {
  if (statement.kind === 'const') return `Let ${statement.variable.name} be ${inWords(statement.value)}.`;
  if (statement.kind === 'if') return `If ${inWords(statement.condition)}, return ${written(statement.result)}.`;
  return `Return ${inWords(statement.value)}.`;
}

/** The body of the function, with the brace that closes it. */
export const bodyOf = ({ statements }: Program): string =>
  `${statements.map((statement) => `  ${coded(statement)}\n`).join('')}}\n`;

function coded(statement: Statement): string {
  if (statement.kind === 'const') return `const ${statement.variable.name} = ${inCode(statement.value)};`;
  if (statement.kind === 'if') return `if (${inCode(statement.condition)}) return ${written(statement.result)};`;
  return `return ${inCode(statement.value)};`;
}

const written = (atom: Atom): string => (typeof atom === 'number' ? String(atom) : atom.name);
const inWords = ({ operation, operands, wording }: Application): string =>
  operation.words[wording]!(...operands.map(written));
const inCode = ({ operation, operands }: Application): string => operation.code(...operands.map(written));

/**
 * Runs a program. `taken` is the index of the `if` statement that returned the result; null if none did.
 *
 * @param skipped index of an `if` statement to leave out
 */
export function evaluate(
  { parameters, statements }: Program,
  inputs: readonly Value[],
  skipped: number | null = null,
): { readonly result: unknown; readonly taken: number | null } {
  const values = new Map<string, unknown>(parameters.map(({ name }, index) => [name, inputs[index]]));
  const read = (atom: Atom) => (typeof atom === 'number' ? atom : values.get(atom.name));
  const applied = ({ operation, operands }: Application) => operation.value(...operands.map(read));
  for (const [index, statement] of statements.entries()) {
    if (statement.kind === 'const') {
      const value = applied(statement.value);
      // The program is not defined for these inputs: JSON cannot represent the value.
      if (!isPlain(value)) return { result: value, taken: null };
      values.set(statement.variable.name, value);
    } else if (statement.kind === 'return') return { result: applied(statement.value), taken: null };
    else if (index !== skipped && applied(statement.condition)) return { result: read(statement.result), taken: index };
  }
  throw new Error('a program ends with a return statement');
}

/** Whether a value survives a round trip through JSON: its numbers are finite, and none is -0. */
export function isPlain(value: unknown): value is Value {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value === 'string') return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((one) => typeof one === 'number' && isPlain(one));
}
