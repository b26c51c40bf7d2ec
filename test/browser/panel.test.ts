import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import { findChromium } from '../../scripts/testing/chromium.ts';
import { broken, codeDenoising, denoiseResult, exampleRuns, finished, liveFrames, nextEvents, running, runContents, samplesPage, slowerContents } from './panel-example.ts';
import { buildPanel, openPanel, type PanelFiles } from './panel-page.ts';
import type { ThemeName } from './vscode-themes.ts';

const executablePath = findChromium();
const skip = executablePath === null ? 'no Chromium here' : false;
let browser: Browser;
let files: PanelFiles;
before(async () => {
  if (executablePath === null) return;
  files = await buildPanel();
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
});
after(() => browser?.close());

const open = (t: TestContext, options: Parameters<typeof openPanel>[3] = {}) => openPanel(t, browser, files, options);
const ready = { kind: 'runtime', ready: true, model: 'unmask-code', summary: 'unmask-code on onnx (cpu)' } as const;

for (const theme of ['dark', 'light', 'high-contrast', 'high-contrast-light'] as ThemeName[])
  test(`shot ${theme}`, { skip }, async (t) => {
    for (const width of [1180, 300]) {
      const { page, send, complaints } = await open(t, { theme, viewport: { width, height: 900 } });
      await send(ready, { kind: 'runs', runs: exampleRuns }, { kind: 'run', role: 'shown', contents: runContents(running, {warnings: [{kind: 'no-variance', step: 41, text: 'Half of all groups have rewards that are all equal, so little is learnt; raise the temperature or take harder problems.'}]}) },
       { kind: 'run', role: 'compared', contents: slowerContents(finished) },
        samplesPage(running.dir, 60, 0, 48));
      await page.getByRole('button', { name: 'Denoise here' }).click();
      await send({ kind: 'denoised', result: denoiseResult(), file: 'settings.ts' });
      await page.locator('.player').focus();
      await page.keyboard.press('ArrowLeft');
      await page.locator('.player .token:not(.masked)').nth(9).focus();
      await page.screenshot({ path: `/tmp/um-panel-shots/${theme}-${width}.png`, fullPage: true });
      assert.deepEqual(complaints, []);
    }
  });
void [broken, codeDenoising, liveFrames, nextEvents];
