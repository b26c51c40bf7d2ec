// Measures the extension's activation time as VS Code reports it: node --import tsx scripts/measuring/activation.ts
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median } from '../../src/evaluation/statistics.ts';
import { runCommand } from '../../test/vscode/window.ts';
import { Workbench } from '../../test/vscode/workbench.ts';
import { hostTarget, packageExtension } from '../packaging/package-extension.ts';
import { setUp } from '../set-up.mjs';

const windows = 5;

setUp();
const folder = await mkdtemp(path.join(tmpdir(), 'unmask-activation-'));
try {
  const { file } = await packageExtension(hostTarget, path.join(folder, 'unmask.vsix'));
  const workbench = await Workbench.start({ install: [file] });
  try {
    const milliseconds: number[] = [];
    for (let window = 0; window < windows; window++) milliseconds.push(await activation(workbench));
    console.log(`Activation: ${median(milliseconds)} ms, the median of ${milliseconds.join(', ')}`);
  } finally {
    await workbench.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Opens a window and reads the extension's activation time. */
async function activation(workbench: Workbench): Promise<number> {
  const page = await workbench.open(folder);
  await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
  // The list shows only visible rows, slow extensions first, so the window must be tall. It is enlarged only now, because
  // drawing a large window would add to the measured time.
  await page.setViewportSize({ width: 1280, height: 3000 });
  await runCommand(workbench, page, 'Developer: Show Running Extensions');
  const list = page.locator('.runtime-extensions-editor');
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = /^Unmask\n.*\n.*\n(?:Startup )?Activation: (\d+)ms$/m.exec(await list.innerText());
    if (found) {
      await page.close();
      return Number(found[1]);
    }
    await page.waitForTimeout(200);
  }
  throw new Error(`VS Code does not tell the time of Unmask:\n${await list.innerText()}`);
}
