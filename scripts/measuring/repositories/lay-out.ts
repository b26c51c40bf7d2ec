import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Repository } from './archives.ts';

const run = promisify(execFile);

/** Lays out a repository in a folder with the ordinary clients of the registries. No test of the packages is run. */
export async function layOut(repository: Repository, folder: string): Promise<void> {
  const { packages, files = {}, installs = {}, python } = repository;
  for (const [inside, name] of Object.entries(packages)) await unpack(name, path.join(folder, inside));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  for (const [inside, names] of Object.entries(installs)) {
    // A runner that the package lists for its development would be left out unless it is saved as a dependency.
    const options = ['--no-save', '--save-prod', '--omit=dev', '--ignore-scripts', '--workspaces=false'];
    const quiet = ['--no-audit', '--no-fund'];
    await run('npm', ['install', ...options, ...quiet, ...names], { cwd: path.join(folder, inside) });
  }
  if (python) {
    await run('python3', ['-m', 'venv', path.join(folder, '.venv')]);
    await run(path.join(folder, '.venv', 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...python]);
  }
}

/** Downloads a package to a folder that is removed afterwards, and copies its files to `target`. */
async function unpack(name: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-archive-'));
  try {
    const [registry, id] = /^(pypi|go|crate):(.+)$/.exec(name)?.slice(1) ?? ['npm', name];
    await cp(await download[registry as keyof typeof download](id as string, folder), target, { recursive: true });
    // The module cache of Go holds files that nobody may write.
    await run('chmod', ['-R', 'u+w', target]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Downloads a package with the client of its registry and returns the folder of its files. */
const download = {
  async npm(id: string, folder: string): Promise<string> {
    const { stdout } = await run('npm', ['pack', '--silent', id], { cwd: folder });
    return extract(path.join(folder, stdout.trim()), folder);
  },
  async pypi(id: string, folder: string): Promise<string> {
    await run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', ':all:', id], {
      cwd: folder,
    });
    const [archive] = await readdir(folder);
    return extract(path.join(folder, archive as string), folder);
  },
  async go(id: string, folder: string): Promise<string> {
    const { stdout } = await run('go', ['mod', 'download', '-json', id], { cwd: folder });
    return (JSON.parse(stdout) as { Dir: string }).Dir;
  },
  async crate(id: string, folder: string): Promise<string> {
    const [name, version] = id.split('@') as [string, string];
    await mkdir(path.join(folder, 'src'));
    await writeFile(path.join(folder, 'src', 'lib.rs'), '');
    const manifest = `[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n${name} = "=${version}"\n`;
    await writeFile(path.join(folder, 'Cargo.toml'), manifest);
    await run('cargo', ['vendor', '--quiet'], { cwd: folder });
    return path.join(folder, 'vendor', name);
  },
};

/** Extracts an archive without its own top folder. */
async function extract(archive: string, folder: string): Promise<string> {
  const target = path.join(folder, 'files');
  await mkdir(target);
  await run('tar', ['-xzf', archive, '--strip-components=1', '-C', target]);
  return target;
}
