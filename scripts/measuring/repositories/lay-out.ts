import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Archive, Repository } from './archives.ts';

const run = promisify(execFile);

/** Lays out a repository in a folder, with the registries' ordinary clients. Pip runs the build of a Python package to read its metadata. */
export async function layOut({ archives, files = {}, installs = {} }: Repository, folder: string): Promise<void> {
  for (const [inside, archive] of Object.entries(archives)) {
    const target = path.join(folder, inside);
    await mkdir(target, { recursive: true });
    await unpack[archive.registry](archive, target);
  }
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  for (const [inside, packages] of Object.entries(installs)) {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--save-prod', '--omit=dev', '--workspaces=false'];
    await run('npm', ['install', ...quiet, ...packages], { cwd: path.join(folder, inside) });
  }
}

type Unpack = (archive: Archive, target: string) => Promise<void>;

const unpack: Readonly<Record<Archive['registry'], Unpack>> = {
  npm: ({ name, version }, target) =>
    inTemporary(async (temporary) => {
      await run('npm', ['pack', `${name}@${version}`], { cwd: temporary });
      await untar(temporary, target);
    }),
  pypi: ({ name, version }, target) =>
    inTemporary(async (temporary) => {
      const source = ['--no-deps', '--no-binary', ':all:'];
      await run('python3', ['-m', 'pip', 'download', '--quiet', ...source, `${name}==${version}`], { cwd: temporary });
      await untar(temporary, target);
    }),
  async go({ name, version }, target) {
    const { stdout } = await run('go', ['mod', 'download', '-json', `${name}@${version}`], { cwd: tmpdir() });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    await cp(Dir, target, { recursive: true });
    await run('chmod', ['-R', 'u+w', target]);
  },
  crates: ({ name, version }, target) =>
    inTemporary(async (temporary) => {
      const manifest = `[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[dependencies]\n${name} = "=${version}"\n`;
      await writeFile(path.join(temporary, 'Cargo.toml'), manifest);
      await writeFile(path.join(temporary, 'lib.rs'), '');
      await run('cargo', ['vendor', '--quiet'], { cwd: temporary });
      await cp(path.join(temporary, 'vendor', name), target, { recursive: true });
      await rm(path.join(target, '.cargo-checksum.json'), { force: true });
    }),
};

async function inTemporary(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-archive-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Unpacks the only archive of a folder, without its own top folder. */
async function untar(folder: string, target: string): Promise<void> {
  const [archive] = (await readdir(folder)).filter((name) => /\.(tgz|tar\.gz)$/.test(name));
  if (archive === undefined) throw new Error(`no archive was downloaded to ${folder}`);
  await run('tar', ['-xzf', path.join(folder, archive), '--strip-components=1', '-C', target]);
}
