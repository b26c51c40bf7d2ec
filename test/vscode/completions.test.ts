import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { addGguf } from '../../src/catalogue/add-gguf.ts';
import { publishedBase } from '../../src/catalogue/published-bases.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { smollm2 } from '../model/smollm2.ts';
import { newRun } from '../runs/example.ts';
import { extensionPackage } from './extension-package.ts';
import { knownSource, memorisedModel } from './memorised-model.ts';
import { editorText, ghostText, openAt, runCommand, screenshot, suggested, typeUntilSuggested } from './window.ts';
import { Workbench } from './workbench.ts';

/** The known text without the part that the model should write, at line 3. */
const unfinished = knownSource.replace(' width * height;', '');

/** A text that does not occur in the known text after `const product =`, so several continuations are possible. */
const halfKnown = 'name';

/** Completions as a user sees them, from the installed package, by a model that has memorised one text. */
describe('completions in the installed package', { timeout: 400_000 }, () => {
  let folder: string;
  let workbench: Workbench;
  let page: Page;
  const machineSettings: Record<string, string> = { 'unmask.engine': 'onnx', 'unmask.device': 'cpu' };
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-completions-test-'));
    const workspace = path.join(folder, 'workspace');
    await mkdir(workspace);
    for (const name of ['tab.ts', 'word.ts', 'off.ts', 'room.ts', 'back.ts', 'crash.ts'])
      await writeFile(path.join(workspace, name), unfinished);
    await writeFile(
      path.join(workspace, 'sum.py'),
      'def add(a, b):\n    """Return the sum of a and b."""\n    return\n',
    );
    await writeFile(path.join(workspace, 'cycle.ts'), knownSource.replace('width * height;', halfKnown.slice(0, -1)));
    machineSettings['unmask.model'] = await memorisedModel();
    const settings = { 'unmask.completions.alternatives': 10 };
    workbench = await Workbench.start({ install: [await extensionPackage()], machineSettings, settings });
    page = await workbench.open(workspace);
    await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
  });
  after(async () => {
    await workbench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('show as ghost text, and Tab accepts them', async () => {
    await openAt(page, 'tab.ts', 3);
    await typeUntilSuggested(workbench, page, ' ', 'width * height;');
    await screenshot(page, 'ghost-text');
    await page.keyboard.press('Tab');
    await page.locator('.view-line', { hasText: 'const product = width * height;' }).waitFor();
  });

  it('are explained: how the last one was decided, and how long it took', async () => {
    await runCommand(workbench, page, 'Unmask: Explain Last Completion');
    await page.locator('.tab.active', { hasText: 'Last Completion' }).waitFor();
    await page.locator('.view-line', { hasText: 'Decision path' }).waitFor();
    const text = await editorText(page);
    assert.match(text, /^Time$/m);
    assert.match(text, /line \d+, column \d+, typescript/);
    await screenshot(page, 'explain');
  });

  it('are accepted word by word', async () => {
    await openAt(page, 'word.ts', 3);
    await typeUntilSuggested(workbench, page, ' ', 'width * height;');
    await page.keyboard.press('Control+ArrowRight');
    // The rest of the suggestion disappears, and the accepted text stays.
    await page.keyboard.press('Escape');
    await ghostText(page).first().waitFor({ state: 'detached' });
    assert.match(await editorText(page), /^ {2}const product = width ?$/m);
  });

  it('can be cycled through if there are several', async () => {
    await openAt(page, 'cycle.ts', 3);
    // It does not matter what the model writes after a partly known line, as long as there are several alternatives.
    await typeUntilSuggested(workbench, page, halfKnown.slice(-1), '');
    const first = await suggested(page);
    // The editor requests the other alternatives when the user asks for the next one.
    for (let press = 0; press < 30 && (await suggested(page)) === first; press++) {
      await page.keyboard.press('Alt+]');
      await page.waitForTimeout(1500);
    }
    const second = await suggested(page);
    assert.notEqual(second, first);
    await page.keyboard.press('Tab');
    await page.locator('.view-line', { hasText: `const product = ${halfKnown}${second}` }).waitFor();
  });

  it('stop when they are disabled, and the explanation says so', async () => {
    await runCommand(workbench, page, 'Unmask: Toggle Completions');
    const status = page.locator('.statusbar-item[aria-label*="Completions are off"]');
    await status.waitFor();
    await openAt(page, 'off.ts', 3);
    // The editor sends its request a moment after a keystroke; opening the palette meanwhile would prevent it.
    await page.keyboard.type(' ', { delay: 1000 });
    await page.keyboard.type(' ', { delay: 1000 });
    await runCommand(workbench, page, 'Unmask: Explain Last Completion');
    await page.locator('.view-line', { hasText: 'Completions are turned off' }).first().waitFor();
    await runCommand(workbench, page, 'Unmask: Toggle Completions');
    await status.waitFor({ state: 'detached' });
  });

  it('come back without a message after the runtime was killed', async () => {
    const before = workbench.runtimes();
    assert.equal(before.length, 1);
    process.kill(before[0] as number, 'SIGKILL');
    for (let now = workbench.runtimes(); now.length === 0 || now[0] === before[0]; now = workbench.runtimes())
      await new Promise((resolve) => setTimeout(resolve, 100));
    await openAt(page, 'crash.ts', 3);
    await typeUntilSuggested(workbench, page, ' ', 'width * height;');
    assert.equal(await page.locator('.notification-toast').count(), 0);
  });

  it('wait while a job needs the memory, which the status bar shows, and come back when it has ended', async () => {
    const job = await RunWriter.create(path.join(workbench.home, 'runs'), {
      ...newRun,
      name: 'a large job',
      memory: 2 ** 50,
    });
    const status = page.locator('.statusbar-item[aria-label*="The model was unloaded because a large job"]');
    await status.waitFor();
    await openAt(page, 'room.ts', 3);
    await page.keyboard.type(' ', { delay: 1000 });
    await runCommand(workbench, page, 'Unmask: Explain Last Completion');
    await page.locator('.view-line', { hasText: 'The model was unloaded because a large job' }).first().waitFor();
    await screenshot(page, 'made-room');
    await job.close('finished');
    await status.waitFor({ state: 'detached' });
    await openAt(page, 'back.ts', 3);
    await typeUntilSuggested(workbench, page, ' ', 'width * height;');
  });

  it('come from a converted model when it is chosen', async (t) => {
    const found = await smollm2();
    if ('missing' in found) return t.skip(found.missing);
    process.env.UNMASK_HOME = workbench.home;
    const base = publishedBase('unmask-smollm2-135m')!;
    await addGguf({ file: found.file, name: base.name, signal: t.signal, progress: () => {} });
    const settings = { ...machineSettings, 'unmask.model': 'unmask-smollm2-135m' };
    await writeFile(path.join(workbench.profile, 'user', 'Machine', 'settings.json'), JSON.stringify(settings));
    await openAt(page, 'sum.py', 3);
    await typeUntilSuggested(workbench, page, ' ', 'a + b');
    await runCommand(workbench, page, 'Unmask: Explain Last Completion');
    await page.locator('.view-line', { hasText: 'unmask-smollm2-135m' }).first().waitFor();
  });
});
