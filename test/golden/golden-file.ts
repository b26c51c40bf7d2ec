import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Compares text with the recorded one in `test/golden/<name>`. With `UPDATE_GOLDEN=1` it records the text instead:
 * `npm run golden`, and review the difference.
 */
export async function assertGolden(name: string, text: string): Promise<void> {
  const file = path.join(import.meta.dirname, name);
  if (process.env.UPDATE_GOLDEN === '1') {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    return;
  }
  assert.ok(existsSync(file), `test/golden/${name} does not exist; record it with npm run golden`);
  const recorded = await readFile(file, 'utf8');
  assert.equal(text, recorded, `This differs from test/golden/${name}; if that is intended, run npm run golden`);
}
