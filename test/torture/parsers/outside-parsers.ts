import path from 'node:path';
import { answerParsers } from './answers.ts';
import { messageParsers } from './messages.ts';
import { modelParsers } from './model-files.ts';
import type { OutsideParser } from './outside-parser.ts';
import { rowParsers } from './row-files.ts';
import { runParsers } from './run-files.ts';
import { workerMessageParsers } from './worker-messages.ts';

/** All parsers; `folder` is for their files. */
export const outsideParsers = async (folder: string): Promise<OutsideParser[]> => [
  ...(await modelParsers(path.join(folder, 'models'))),
  ...(await runParsers(path.join(folder, 'runs'))),
  ...(await rowParsers(path.join(folder, 'rows'))),
  ...messageParsers(),
  ...workerMessageParsers(),
  ...answerParsers(),
];
