import path from 'node:path';
import { answerParsers } from './answers.ts';
import { messageParsers } from './messages.ts';
import { modelParsers } from './model-files.ts';
import { rowParsers } from './row-files.ts';
import { runParsers } from './run-files.ts';

/** Something that reads what programs or people outside made. */
export interface OutsideParser {
  readonly name: string;
  /** Valid inputs, which are mutated. */
  readonly examples: readonly Buffer[];
  /** Reads an input. Returns a value, or throws a `UserError` that says what is wrong with the input. */
  parse(input: Buffer): unknown;
}

/** All parsers; `folder` is for their files. */
export const outsideParsers = async (folder: string): Promise<OutsideParser[]> => [
  ...(await modelParsers(path.join(folder, 'models'))),
  ...(await runParsers(path.join(folder, 'runs'))),
  ...(await rowParsers(path.join(folder, 'rows'))),
  ...messageParsers(),
  ...answerParsers(),
];
