import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Random } from '../../../src/platform/random.ts';
import type { TextEdit } from '../../../src/protocol/text-edit.ts';
import { languageOf } from '../../../src/syntax/trees.ts';
import { readSources } from '../../../src/training/code/source-files.ts';
import { unsuitable } from '../../../src/training/code/source-filter.ts';
import { packageFolder } from '../gate/package-folder.ts';
import { smallEdits } from './small-edits.ts';

/** Two versions of a package, and the folder of its sources. */
export interface VersionPair {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly folder: string;
}

/** A file that changed between two versions. */
export interface FileHistory {
  readonly package: string;
  readonly file: string;
  readonly languageId: string;
  readonly text: string;
  /** In order of their places in the text. */
  readonly edits: readonly TextEdit[];
}

/** Seed of the files that are drawn. */
const seed = 7;
/** Edits of one file and of one package that are looked at, so that none counts for most of the result. */
const mostOfFile = 60;
const mostOfPackage = 500;

/** The files of a package that changed between two versions by at least two small edits, and its files before. */
export async function historiesOf({ name, from, to, folder }: VersionPair) {
  const [old, now] = await Promise.all([from, to].map((version) => packageFolder(`${name}@${version}`)));
  const files = await readSources(path.join(old!, folder));
  const histories: FileHistory[] = [];
  for (const { path: file, text } of files) {
    const after = (await readFile(path.join(now!, folder, file), 'utf8').catch(() => text)).replaceAll('\r\n', '\n');
    if (after === text || unsuitable(file, text) !== null) continue;
    const edits = smallEdits(text, after).slice(0, mostOfFile);
    if (edits.length > 1) histories.push({ package: name, file, languageId: languageOf(file)!, text, edits });
  }
  const drawn: FileHistory[] = [];
  let count = 0;
  for (const history of new Random(seed).shuffle(histories)) {
    if (count + history.edits.length > mostOfPackage) break;
    drawn.push(history);
    count += history.edits.length;
  }
  return { histories: drawn, files };
}
