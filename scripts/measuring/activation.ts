// What the extension adds to the start of VS Code, by VS Code's own figures: node --import tsx scripts/measuring/activation.ts
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median } from '../../bench/result.ts';
import { runCommand } from '../../test/vscode/window.ts';
import { Workbench } from '../../test/vscode/workbench.ts';
import { packageExtension, thisTarget } from '../packaging/package-extension.ts';
import { setUp } from '../set-up.mjs';

const windows = 5;

setUp();
const folder = await mkdtemp(path.join(tmpdir(), 'unmask-activation-'));
try {
  const { file } = await packageExtension(thisTarget, path.join(folder, 'unmask.vsix'));
  const workbench = await Workbench.start({ install: [file] });
  const milliseconds: number[] = [];
  try {
    for (let window = 0; window < windows; window++) {
      const page = await workbench.open(folder);
      await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
      await runCommand(workbench, page, 'Developer: Show Running Extensions');
      const row = page.locator('.runtime-extensions-editor .extension', { hasText: 'unmask' }).first();
      const time = row.locator('.activation-time');
      await time.filter({ hasText: /\d/ }).waitFor({ timeout: 60_000 });
      milliseconds.push(Number(/(\d+)\s*ms/.exec((await time.textContent()) ?? '')?.[1]));
      await page.close();
    }
  } finally {
    await workbench.close();
  }
  console.log(`Activation: ${median(milliseconds)} ms, the median of ${milliseconds.join(', ')} ms`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
