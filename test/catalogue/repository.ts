import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import type { FakeFile, FakeRepository } from './fake-hub.ts';

const card = `---
license: apache-2.0
tags: [masked-diffusion]
---

# A tiny model

For tests.
`;

/** A tiny model as a repository of the hub, with weights of some MB as a large file. */
export async function tinyRepository(id: string, commit = 'a'.repeat(40), seed = 1): Promise<FakeRepository> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-repository-'));
  try {
    await writeTinyCheckpoint(folder, { intermediate_size: 20_000 }, seed);
    const names = await readdir(folder);
    const files = names.map(async (name) => ({
      name,
      content: await readFile(path.join(folder, name)),
      large: name.endsWith('.safetensors'),
    }));
    const otherFiles: FakeFile[] = [
      { name: 'README.md', content: Buffer.from(card) },
      { name: 'pytorch_model.bin', content: Buffer.from('a pickle'), large: true },
      { name: 'modeling_tiny.py', content: Buffer.from('print("never run")') },
      { name: '.gitattributes', content: Buffer.from('*.bin filter=lfs\n') },
    ];
    return { id, commit, licence: 'apache-2.0', files: [...otherFiles, ...(await Promise.all(files))] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The files of an adapter, as PEFT writes it, of a tiny model with the name `base`. */
export async function tinyAdapter(home: string, base: string): Promise<FakeFile[]> {
  const folder = path.join(home, 'adapter');
  const { adapter } = adapted(tinyCheckpoint({ intermediate_size: 20_000 }), { base });
  await mkdir(folder);
  await writeAdapter(folder, adapter, { targets: adapter.targets, matrices: [] });
  const names = await readdir(folder);
  return Promise.all(names.map(async (name) => ({ name, content: await readFile(path.join(folder, name)) })));
}

/** The same repository with changed or additional files. */
export function changed(repository: FakeRepository, ...files: readonly FakeFile[]): FakeRepository {
  const names = files.map(({ name }) => name);
  return { ...repository, files: [...repository.files.filter(({ name }) => !names.includes(name)), ...files] };
}

export const fileOf = ({ files }: FakeRepository, name: string): FakeFile => files.find((each) => each.name === name)!;
