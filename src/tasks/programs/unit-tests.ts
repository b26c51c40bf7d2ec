import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../../platform/random.ts';
import type { Value, ValueType } from './operations.ts';
import { evaluate, isPlain, type Program } from './program.ts';

/** Number of unit tests of a program. */
const testCount = 6;

/** Maximum number of random inputs that are tried per program. */
const attempts = 60;

interface Case {
  readonly inputs: readonly Value[];
  readonly expected: Value;
  /** Index of the `if` statement that returned the result; null if none did. */
  readonly taken: number | null;
}

/**
 * Unit tests of a program, in TypeScript. They fail for the program without one of its conditions, and for a function that
 * returns a constant or one of its parameters. Null if no such tests were found.
 */
export function drawTests(random: Random, program: Program): string | null {
  const cases: Case[] = [];
  const inputsSeen = new Set<string>();
  for (let attempt = 0; attempt < attempts && cases.length < 4 * testCount; attempt++) {
    const inputs = program.parameters.map(({ type }) => drawValue(random, type));
    const { result, taken } = evaluate(program, inputs);
    const text = JSON.stringify(inputs);
    if (!isPlain(result) || inputsSeen.has(text)) continue;
    inputsSeen.add(text);
    cases.push({ inputs, expected: result, taken });
  }
  // Every branch that one of the inputs takes has a test.
  const branches = [...new Set(cases.map(({ taken }) => taken))];
  const byBranch = branches.map((branch) => cases.filter(({ taken }) => taken === branch));
  const chosen: Case[] = [];
  for (let round = 0; chosen.length < testCount && round < cases.length; round++)
    for (const branch of byBranch) if (branch[round] && chosen.length < testCount) chosen.push(branch[round]!);
  if (chosen.length < testCount || !detectsWrongPrograms(program, chosen)) return null;
  return chosen
    .map(({ inputs, expected }) => {
      const call = `f(${inputs.map((value) => JSON.stringify(value)).join(', ')})`;
      return `test(${JSON.stringify(call)}, () => assert.deepEqual(${call}, ${JSON.stringify(expected)}));`;
    })
    .join('\n');
}

/**
 * Whether some test reaches the last statement, and wrong programs fail: those that return a constant or a parameter, and
 * the program without one of its conditions.
 */
function detectsWrongPrograms(program: Program, cases: readonly Case[]): boolean {
  if (cases.every(({ taken }) => taken !== null)) return false;
  const passes = (wrong: (one: Case) => unknown) => cases.every((one) => isDeepStrictEqual(wrong(one), one.expected));
  const conditions = program.statements.flatMap(({ kind }, index) => (kind === 'if' ? [index] : []));
  const wrong: ((one: Case) => unknown)[] = [
    () => cases[0]!.expected,
    ...program.parameters.map(
      (_, index) =>
        ({ inputs }: Case) =>
          inputs[index],
    ),
    ...conditions.map(
      (skipped) =>
        ({ inputs }: Case) =>
          evaluate(program, inputs, skipped).result,
    ),
  ];
  return !wrong.some(passes);
}

const words = ['map', 'Tree', 'key', 'Blue', 'no', 'Index', 'ok', 'Left', 'west', 'Run'];

function drawValue(random: Random, type: ValueType): Value {
  if (type === 'number') return random.integer(16) - 6;
  if (type === 'string') return random.pick(words);
  if (type === 'numbers') return Array.from({ length: 1 + random.integer(5) }, () => random.integer(12) - 3);
  return { x: random.integer(12) - 4, y: random.integer(12) - 4 };
}
