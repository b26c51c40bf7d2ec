import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../test/vscode/test-cache.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface UnpackOptions {
  /** Whether the packages come from the release's backports. */
  readonly backports?: boolean;
  /** Called before packages are fetched. */
  readonly onFetch?: (folder: string) => void;
}

/**
 * A folder in the test cache with the files of Debian packages and of those that they need and the system lacks. They are fetched
 * from the machine's own mirror and unpacked once; nothing is installed or upgraded. Throws an error with the reason if this is not
 * possible.
 */
export async function unpackedDebianPackages(
  name: string,
  packages: readonly string[],
  { backports = false, onFetch }: UnpackOptions = {},
): Promise<string> {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) throw new Error('this is not a Debian system');
  const release = /^VERSION_CODENAME=(\w+)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('/etc/os-release names no release');
  const cache = cacheFolder();
  const folder = path.join(cache, `${name}-${release}-${process.arch}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    onFetch?.(folder);
    await unpack(partial, release, packages, backports);
    await rename(partial, folder).catch((error: unknown) => {
      // The folder exists if another run was faster; then that folder is used.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}

/** Runs apt with separate folders, so that the system's lists and packages are not changed. */
async function unpack(folder: string, release: string, packages: readonly string[], backports: boolean): Promise<void> {
  const work = path.join(folder, 'apt');
  await mkdir(path.join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(path.join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const mirror = await mirrorOf(release);
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  const suites = [release, ...(backports ? [`${release}-backports`] : [])];
  const sources = path.join(work, 'sources.list');
  await writeFile(sources, suites.map((suite) => `deb ${signed}${mirror} ${suite} main\n`).join(''));
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${path.join(work, 'lists')}`,
    `Dir::Cache=${path.join(work, 'cache')}`,
    'Debug::NoLocking=1',
  ].flatMap((option) => ['-o', option]);
  const run = promisify(execFile);
  await run('apt-get', ['-q', ...options, 'update'], { maxBuffer: 64 << 20 });
  const download = ['install', '--download-only', '-y', '--no-install-recommends', '-t', suites.at(-1)!];
  await run('apt-get', ['-q', ...options, ...download, ...packages], { maxBuffer: 64 << 20 });
  const archives = path.join(work, 'cache', 'archives');
  for (const name of (await readdir(archives)).filter((name) => name.endsWith('.deb')))
    await run('dpkg', ['-x', path.join(archives, name), folder]);
  await rm(work, { recursive: true, force: true });
}

/** The mirror that this machine's apt uses for its release. */
async function mirrorOf(release: string): Promise<string> {
  const format = '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)';
  const { stdout } = await promisify(execFile)('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const rows = stdout.split('\n').map((line) => line.split(' '));
  const found = rows.find(
    ([, codename, component, origin]) => codename === release && component === 'main' && origin === 'Debian',
  );
  if (!found) throw new Error(`no package source of this machine has Debian ${release}; run apt-get update`);
  return found[0] as string;
}
