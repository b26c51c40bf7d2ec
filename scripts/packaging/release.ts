import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { packageExtension, targets } from './package-extension.ts';

export interface Release {
  readonly version: string;
  /** Files of the release, in the order of the checksums. */
  readonly packages: readonly string[];
  readonly folder: string;
}

export interface ReleaseOptions {
  /** Root of the clone, with `package.json` and `CHANGELOG.md`. */
  readonly root: string;
  /** Parent of the output folder: files are written to `<folder>/<version>`. */
  readonly folder: string;
  readonly platforms?: readonly string[];
  readonly makePackage?: (target: string, file: string) => Promise<unknown>;
  readonly log?: (line: string) => void;
}

/**
 * Makes the files of a release: `unmask-<platform>-<version>.vsix` for each platform, `SHA256SUMS` in the format of
 * `sha256sum --check`, and `notes.md`, which is the version's section of the changelog. The changelog is checked first,
 * because packaging takes minutes.
 */
export async function makeRelease({
  root,
  folder: parent,
  platforms = targets(),
  makePackage = packageExtension,
  log = () => {},
}: ReleaseOptions): Promise<Release> {
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
  const notes = changelogSection(await readFile(path.join(root, 'CHANGELOG.md'), 'utf8'), version);
  const folder = path.join(parent, version);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const packages: string[] = [];
  const sums: string[] = [];
  for (const target of platforms) {
    const name = `unmask-${target}-${version}.vsix`;
    log(`Packaging ${name}`);
    await makePackage(target, path.join(folder, name));
    packages.push(name);
    sums.push(`${await sha256(path.join(folder, name))}  ${name}\n`);
  }
  await writeFile(path.join(folder, 'SHA256SUMS'), sums.join(''));
  await writeFile(path.join(folder, 'notes.md'), notes);
  return { version, packages, folder };
}

/** The section of a version, without its heading; throws if there is none, or if it has no date. */
export function changelogSection(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split(/[\s\]]/, 1)[0]?.replace('[', '') === version);
  if (section === undefined)
    throw new Error(`CHANGELOG.md has no section for ${version}; rename "## Unreleased" to "## ${version} - <date>".`);
  const [heading, ...body] = section.split('\n');
  if (!/ - \d{4}-\d\d-\d\d$/.test(heading as string))
    throw new Error(`CHANGELOG.md does not say when ${version} was released; write "## ${version} - YYYY-MM-DD".`);
  return `${body.join('\n').trim()}\n`;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
