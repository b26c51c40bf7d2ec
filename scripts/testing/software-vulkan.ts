import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { isolatedSelfTest } from '../../src/engine/isolated-self-test.ts';
import { messageOf } from '../../src/platform/errors.ts';
import { cacheFolder } from '../../test/vscode/test-cache.ts';

/** Mesa's lavapipe implements Vulkan on the CPU. WebGPU accepts it from version 25. */
const packages = ['mesa-vulkan-drivers', 'libvulkan1'];
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The environment variable with the reason why the WebGPU suite has no adapter. */
export const noAdapter = 'UNMASK_TEST_NO_WEBGPU';

/**
 * Environment variables with which WebGPU has an adapter: this machine's own, or Mesa's software driver. The driver is
 * fetched from the machine's Debian mirror and unpacked into the cache; nothing is installed or upgraded. If it is not
 * available, the environment contains the reason, and the suite is skipped.
 */
export async function webgpuEnvironment(log: (line: string) => void): Promise<NodeJS.ProcessEnv> {
  const { available } = await isolatedSelfTest({ engine: 'onnx', device: 'webgpu' });
  if (available) return {};
  try {
    return await driverIn(await ensureDriver(log));
  } catch (error) {
    return { [noAdapter]: `there is no GPU, and Mesa's software driver could not be fetched (${messageOf(error)})` };
  }
}

async function ensureDriver(log: (line: string) => void): Promise<string> {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) throw new Error('this is not a Debian system');
  const release = /^VERSION_CODENAME=(\w+)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('/etc/os-release names no release');
  const cache = cacheFolder();
  const folder = path.join(cache, `software-vulkan-${release}-${process.arch}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    log(`Fetching Mesa's software driver into ${folder}: 22 MB, once.`);
    await unpackDriver(partial, release);
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
async function unpackDriver(folder: string, release: string): Promise<void> {
  const work = path.join(folder, 'apt');
  await mkdir(path.join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(path.join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const mirror = await mirrorOf(release);
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  const suites = [release, `${release}-backports`];
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
  const download = ['install', '--download-only', '-y', '--no-install-recommends', '-t', `${release}-backports`];
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

async function findFile(folder: string, name: RegExp): Promise<string> {
  const found = (await readdir(folder, { recursive: true })).find((file) => name.test(file));
  if (found === undefined) throw new Error(`${folder} holds no ${name.source}`);
  return path.join(folder, found);
}

async function driverIn(folder: string): Promise<NodeJS.ProcessEnv> {
  const library = await findFile(folder, /libvulkan_lvp\.so$/);
  const manifest = await findFile(folder, /lvp_icd\.[\w.]*json$/);
  const libraries = [path.dirname(library), process.env.LD_LIBRARY_PATH].filter((part) => part !== undefined);
  return { VK_ICD_FILENAMES: manifest, LD_LIBRARY_PATH: libraries.join(path.delimiter) };
}
