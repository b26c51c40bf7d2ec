import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { UserError } from '../../../src/platform/errors.ts';
import { hostileInputs, longInputs } from './hostile-inputs.ts';
import type { OutsideParser } from './outside-parser.ts';
import { outsideParsers } from './outside-parsers.ts';

export interface ParserOptions {
  /** Generated inputs per parser. */
  readonly inputs: number;
  readonly seed: number;
  /** Only parsers with this in their names; default: all. */
  readonly only?: string;
  readonly log?: (line: string) => void;
}

export interface ParserFigures {
  readonly parsers: number;
  /** Inputs tried: generated ones, long ones, and those of the corpus. */
  readonly inputs: number;
  /** Inputs that were refused with a sentence; the others gave a value. */
  readonly refused: number;
  /** The longest processor time of one input, in milliseconds, and its parser. */
  readonly slowest: { readonly milliseconds: number; readonly parser: string };
}

/** Milliseconds of processor time that one input may take. Regular expressions and templates are ended after 2 s. */
const timeBound = 10_000;
/** Inputs that once caused a failure; every parser reads all of them. */
const corpus = path.join(import.meta.dirname, '..', 'corpus');

/**
 * Tries every parser that reads from outside with generated, long and kept inputs. Each must return a value or throw a
 * `UserError` of one line, within a bound of processor time. Throws an `AssertionError` with the shortest input that fails.
 */
export async function tryParsers({ inputs, seed, only = '', log }: ParserOptions): Promise<ParserFigures> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-parsers-'));
  const kept = await keptInputs();
  const failures: string[] = [];
  let figures: ParserFigures = { parsers: 0, inputs: 0, refused: 0, slowest: { milliseconds: 0, parser: '' } };
  try {
    for (const parser of (await outsideParsers(folder)).filter(({ name }) => name.includes(only))) {
      const result = await tryParser(parser, [...kept, ...longInputs], { inputs, seed }).catch((error: Error) => error);
      if (result instanceof Error) {
        failures.push(
          [result, result.cause].flatMap((error) => (error instanceof Error ? error.message : [])).join('\n'),
        );
        continue;
      }
      const { tried, refused, slowest } = result;
      log?.(`${parser.name}: ${tried} inputs, ${refused} refused, the slowest took ${slowest.toFixed(0)} ms`);
      figures = {
        parsers: figures.parsers + 1,
        inputs: figures.inputs + tried,
        refused: figures.refused + refused,
        slowest:
          slowest > figures.slowest.milliseconds ? { milliseconds: slowest, parser: parser.name } : figures.slowest,
      };
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  assert.deepEqual(failures, []);
  return figures;
}

async function tryParser(
  parser: OutsideParser,
  fixed: readonly Buffer[],
  { inputs, seed }: Pick<ParserOptions, 'inputs' | 'seed'>,
): Promise<{ tried: number; refused: number; slowest: number }> {
  let [tried, refused, slowest] = [0, 0, 0];
  const attempt = async (input: Buffer) => {
    const { refusal, milliseconds } = await tryInput(parser, input);
    tried++;
    if (refusal !== null) refused++;
    slowest = Math.max(slowest, milliseconds);
  };
  for (const example of parser.examples)
    assert.equal((await tryInput(parser, example)).refusal, null, `${parser.name} reads its example`);
  for (const input of fixed) await attempt(input);
  await fc.assert(fc.asyncProperty(hostileInputs(parser.examples), attempt), { numRuns: inputs, seed });
  return { tried, refused, slowest };
}

async function tryInput(
  parser: OutsideParser,
  input: Buffer,
): Promise<{ refusal: string | null; milliseconds: number }> {
  const begin = process.cpuUsage();
  const { error } = await Promise.resolve()
    .then(() => parser.parse(input))
    .then(
      () => ({ error: null }),
      (thrown: unknown) => ({ error: thrown }),
    );
  const { user, system } = process.cpuUsage(begin);
  const milliseconds = (user + system) / 1000;
  const what = `${parser.name} with ${describe(input)}`;
  assert.ok(milliseconds < timeBound, `${what} took ${milliseconds} ms`);
  if (error === null) return { refusal: null, milliseconds };
  assert.ok(error instanceof UserError, `${what}: ${(error as Error)?.stack ?? String(error)}`);
  assert.doesNotMatch(error.message, /\n/, `${what}: the message is one line`);
  return { refusal: error.message, milliseconds };
}

/** An input as it can be kept in the corpus: \`Buffer.from(…, 'base64')\`. */
const describe = (input: Buffer): string =>
  `${input.length} bytes ${JSON.stringify(input.toString('latin1').slice(0, 200))} (base64 ${input.toString('base64').slice(0, 4000)})`;

async function keptInputs(): Promise<Buffer[]> {
  const names = (await readdir(corpus)).sort();
  return Promise.all(names.map((name) => readFile(path.join(corpus, name))));
}
