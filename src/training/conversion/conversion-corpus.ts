import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { exists } from '../../platform/files.ts';
import {
  assertDigest,
  type Corpus,
  type CorpusHooks,
  type ListedPackage,
  permissive,
  readCorpus,
  type SourceFile,
  withoutCopies,
} from '../code/corpus.ts';
import type { FetchPackage } from '../code/fetch-package.ts';
import { normalizedSource, unsuitablePython, withoutSecrets, withoutSpace } from '../code/source-filter.ts';
import { fetchByPip, unpackWheel } from './fetch-wheel.ts';
import packages from './python-packages.json' with { type: 'json' };

/** Python packages whose sources are used, pinned to a version and a wheel. */
export const listedPythonPackages = packages as readonly ListedPackage[];

/** Where missing packages come from. */
export interface ConversionSources {
  readonly readNpm: (folder: string, hooks: CorpusHooks) => Promise<Corpus>;
  readonly python: readonly ListedPackage[];
  readonly fetchWheel: FetchPackage;
}

const usual: ConversionSources = { readNpm: readCorpus, python: listedPythonPackages, fetchWheel: fetchByPip };

/**
 * The sources of the code recipe in TypeScript and JavaScript, and those of Python packages, with the same division by package.
 * Missing archives are fetched into `folder`. No package code is run. E-mail addresses and secrets are replaced, and held-out
 * files that are mostly copies of training files are left out.
 */
export async function readConversionCorpus(
  folder: string,
  hooks: CorpusHooks,
  { readNpm, python, fetchWheel }: ConversionSources = usual,
): Promise<Corpus> {
  const { training, validation } = await readNpm(folder, hooks);
  const files = { training: [...training], validation: [...validation] };
  const known = new Set<string>();
  await mkdir(folder, { recursive: true });
  for (const [index, listed] of python.entries()) {
    hooks.signal?.throwIfAborted();
    const wheel = path.join(folder, `${listed.name}-${listed.version}.whl`);
    if (!(await exists(wheel))) {
      hooks.progress(`Fetching ${listed.name} ${listed.version} (${index + 1} of ${python.length})`);
      await fetchWheel(`${listed.name}==${listed.version}`, wheel);
    }
    for (const file of await wheelSources(wheel, listed)) {
      const digest = createHash('sha256').update(withoutSpace(file.text)).digest('base64');
      if (known.has(digest)) continue;
      known.add(digest);
      files[listed.part].push(file);
    }
  }
  const clean = (part: readonly SourceFile[]) => part.map((file) => ({ ...file, text: withoutSecrets(file.text) }));
  const corpus = withoutCopies({ training: clean(files.training), validation: clean(files.validation) });
  if (corpus.training.length === 0 || corpus.validation.length === 0)
    throw new UserError('The listed packages have no suitable source files; restore the lists of packages.');
  return corpus;
}

/** The suitable sources in a wheel, by path. Throws a `UserError` if its licence or its digest is not the listed one. */
async function wheelSources(wheel: string, listed: ListedPackage): Promise<SourceFile[]> {
  await assertDigest(wheel, listed);
  const folder = wheel.replace(/\.whl$/, '.unpacked');
  if (!(await exists(folder))) await unpackWheel(wheel, folder);
  const names = (await readdir(folder, { recursive: true })).map((name) => name.split(path.sep).join('/')).sort();
  const metadata = names.find((name) => /^[^/]+\.dist-info\/METADATA$/.test(name));
  const head = metadata === undefined ? '' : (await readFile(path.join(folder, metadata), 'utf8')).split('\n\n')[0]!;
  const declared = /^License(?:-Expression)?: (.*)$/m.exec(head.replaceAll('\r', ''))?.[1]?.trim();
  if (declared !== listed.license || !permissive.includes(listed.license))
    throw new UserError(
      `${listed.name} ${listed.version} declares the licence ${JSON.stringify(declared)} but the list says ${listed.license}; correct the list or leave the package out.`,
    );
  const files: SourceFile[] = [];
  for (const name of names.filter((one) => one.endsWith('.py'))) {
    const text = normalizedSource(await readFile(path.join(folder, name), 'utf8'));
    if (unsuitablePython(name, text) === null) files.push({ package: listed.name, path: name, text });
  }
  return files;
}
