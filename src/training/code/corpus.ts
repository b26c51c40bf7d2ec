import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { UserError } from '../../platform/errors.ts';
import { type FetchPackage, fetchByNpm } from './fetch-package.ts';
import packages from './packages.json' with { type: 'json' };
import { distinctiveLines, normalizedSource, unsuitable, unsuitablePath, withoutSpace } from './source-filter.ts';

/** A package whose sources are used, pinned to a version. */
export interface ListedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX identifier that the package declares. */
  readonly license: string;
  readonly part: 'training' | 'validation';
  /** If set, only these folders, because others contain generated code. */
  readonly only?: readonly string[];
}

export interface SourceFile {
  readonly package: string;
  readonly path: string;
  readonly text: string;
}

export interface Corpus {
  readonly training: readonly SourceFile[];
  /** From packages that training does not use. */
  readonly validation: readonly SourceFile[];
}

/** Licences that allow training a model on the covered code, without conditions on the model. */
export const permissive: readonly string[] = [
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'Unlicense',
  'CC0-1.0',
];

export const listedPackages = packages as readonly ListedPackage[];

export interface CorpusHooks {
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the listed packages' own sources, after fetching missing archives into `folder`. No package code is run. The
 * order is that of packages and paths. Throws a `UserError` if a package's licence differs from the listed one.
 */
export async function readCorpus(
  folder: string,
  { progress, signal }: CorpusHooks,
  list: readonly ListedPackage[] = listedPackages,
  fetch: FetchPackage = fetchByNpm,
): Promise<Corpus> {
  await mkdir(folder, { recursive: true });
  const files = { training: [] as SourceFile[], validation: [] as SourceFile[] };
  const known = new Set<string>();
  const there = new Set(await readdir(folder));
  for (const [index, listed] of list.entries()) {
    signal?.throwIfAborted();
    const archive = archiveName(listed);
    if (!there.has(archive)) {
      progress(`Fetching ${listed.name} ${listed.version} (${index + 1} of ${list.length})`);
      await fetch(`${listed.name}@${listed.version}`, path.join(folder, archive));
    }
    for (const file of await packageSources(path.join(folder, archive), listed)) {
      const digest = createHash('sha256').update(withoutSpace(file.text)).digest('base64');
      if (known.has(digest)) continue;
      known.add(digest);
      files[listed.part].push(file);
    }
  }
  const seen = new Set(files.training.flatMap(({ text }) => distinctiveLines(text)));
  return { training: files.training, validation: files.validation.filter(({ text }) => !isKnown(text, seen)) };
}

const archiveName = ({ name, version }: ListedPackage): string =>
  `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;

/** Whether more than half of the distinctive lines occur in training files, as in a copy or in vendored code. */
function isKnown(text: string, seen: ReadonlySet<string>): boolean {
  const lines = distinctiveLines(text);
  return lines.filter((line) => seen.has(line)).length > 0.5 * lines.length;
}

/** The suitable sources in a package's archive, by path. */
export async function packageSources(archive: string, listed: ListedPackage): Promise<SourceFile[]> {
  const texts = await readArchive(archive, (name) => name === 'package.json' || unsuitablePath(name) === null);
  const manifest = texts.get('package.json');
  const declared = manifest === undefined ? undefined : (JSON.parse(manifest) as { license?: unknown }).license;
  if (declared !== listed.license || !permissive.includes(listed.license))
    throw new UserError(
      `${listed.name} ${listed.version} declares the licence ${JSON.stringify(declared)} but the list says ${listed.license}; correct the list or leave the package out.`,
    );
  const { only } = listed;
  return [...texts]
    .filter(([name]) => only === undefined || only.some((folder) => name.startsWith(`${folder}/`)))
    .map(([name, text]) => ({ package: listed.name, path: name, text: normalizedSource(text) }))
    .filter(({ path: name, text }) => unsuitable(name, text) === null)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files of a package's archive by their path in the package. Links, and paths that lead out of it, are skipped. */
async function readArchive(archive: string, accept: (name: string) => boolean): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const pending: Promise<void>[] = [];
  const read = async (entry: ReadEntry, name: string) => {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    texts.set(name, Buffer.concat(chunks).toString('utf8'));
  };
  const parser = new Parser({
    strict: true,
    onReadEntry(entry) {
      // Package archives contain one folder, usually `package`.
      const [, ...parts] = entry.path.split('/');
      const name = parts.join('/');
      const isInside = name !== '' && !parts.includes('..') && !path.isAbsolute(name);
      if (entry.type !== 'File' || !isInside || !accept(name)) entry.resume();
      else pending.push(read(entry, name));
    },
  });
  await new Promise<void>((resolve, reject) => {
    createReadStream(archive)
      .on('error', reject)
      .pipe(parser as unknown as NodeJS.WritableStream)
      .on('end', resolve)
      .on('error', (error: Error) =>
        reject(new UserError(`${archive} is not a package archive (${error.message}); delete it to fetch it again.`)),
      );
  });
  await Promise.all(pending);
  return texts;
}
