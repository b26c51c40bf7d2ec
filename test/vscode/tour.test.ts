import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame, Page } from 'playwright-core';
import type { RunSummary } from '../../src/protocol/run.ts';
import { requestControl } from '../../src/runs/control.ts';
import { lockHolder } from '../../src/runs/lock.ts';
import { listRuns, readEvents, stepsOf } from '../../src/runs/reader.ts';
import { extensionPackage } from './extension-package.ts';
import { knownSource, memorisedModel } from './memorised-model.ts';
import { answerPick, openAt, runAsking, runCommand, screenshot, screenshots, webview } from './window.ts';
import { Workbench } from './workbench.ts';

/** Number of steps of the tuning run: enough to watch it, pause it, and find it again after a reload. */
const steps = 12;
/** A run that takes seconds. */
const hyperparameters = {
  prompts_per_step: 4,
  group_size: 4,
  inner_updates: 1,
  evaluate_every: 0,
  evaluation_problems: 8,
};

/** What a user does who has just installed the package, with no other help than the window. */
describe('a tour of the installed package', { timeout: 900_000 }, () => {
  let folder: string;
  let workbench: Workbench;
  let page: Page;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-tour-test-'));
    const workspace = path.join(folder, 'workspace');
    await mkdir(workspace);
    await writeFile(path.join(workspace, 'shape.ts'), knownSource.replace('width * height;', ''));
    const model = await memorisedModel();
    workbench = await Workbench.start({
      install: [await extensionPackage()],
      machineSettings: { 'unmask.model': model, 'unmask.engine': 'onnx', 'unmask.device': 'cpu' },
      settings: { 'unmask.tuning.hyperparameters': hyperparameters },
    });
    page = await workbench.open(workspace);
    await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
  });
  after(async () => {
    await workbench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const runs = (): Promise<RunSummary[]> => listRuns(path.join(workbench.home, 'runs'));
  const panel = (): Promise<Frame> => webview(page, 'main.panel');
  const text = async (frame: Frame, selector: string) => (await frame.locator(selector).first().textContent()) ?? '';

  it('a completion is denoised in the panel, inspected step by step, and inserted', async () => {
    await openAt(page, 'shape.ts', 3);
    await runCommand(workbench, page, 'Unmask: Show Panel');
    const frame = await panel();
    await frame.getByRole('button', { name: 'Denoise here' }).click();
    const player = frame.locator('.player');
    await frame.getByRole('button', { name: 'Insert at the cursor' }).waitFor({ timeout: 60_000 });
    const counter = async () => (await player.locator('.counter').textContent()) ?? '';
    const last = await counter();
    const [, of] = /^Step (\d+) of \1$/.exec(last) ?? assert.fail(last);
    await player.locator('input[type=range]').focus();
    await page.keyboard.press('Home');
    assert.equal(await counter(), `Step 0 of ${of}`);
    assert.ok((await player.locator('.canvas .masked').count()) > 0);
    await page.keyboard.press('ArrowRight');
    assert.equal(await counter(), `Step 1 of ${of}`);
    await page.keyboard.press('End');
    assert.equal(await player.locator('.canvas .masked').count(), 0);
    await screenshots(page, 'denoise-view');
    await frame.getByRole('button', { name: 'Insert at the cursor' }).click();
    await page.locator('.view-line', { hasText: 'const product = width * height;' }).waitFor();
  });

  it('a run is started from the palette, watched live, and found again after a reload, with every step', async () => {
    // The walkthrough ticks its step off meanwhile, and takes the focus.
    await runCommand(workbench, page, 'Unmask: Get Started');
    await page.locator('h2', { hasText: 'Get Started with Unmask' }).waitFor();
    await runAsking(workbench, page, 'Unmask: Tune on Task', 'sudoku4x4');
    for (const answer of ['sudoku4x4', 'spg-mixture', 'unmask-puzzles']) await answerPick(page, answer);
    await answerPick(page, `${steps}`, 'type');
    let frame = await panel();
    await frame.locator('.runs li').first().waitFor({ timeout: 60_000 });
    await frame.locator('.chart', { hasText: 'Reward' }).first().waitFor({ timeout: 120_000 });
    assert.match(await text(frame, '.runs li'), /sudoku4x4/);
    // Completions still work while it computes.
    await frame.getByRole('button', { name: 'Denoise here' }).click();
    await frame.locator('.denoise-view vscode-button:not([disabled])', { hasText: 'Denoise here' }).waitFor();
    assert.match(await text(frame, '.denoise-view .status'), /^Denoised in \d+ steps/);
    const [going] = await runs();
    assert.equal(going!.state, 'running');
    assert.ok(going!.step < steps, 'the window is reloaded in the middle of the run');
    await page.reload();
    await page.locator('.statusbar-item', { hasText: 'Unmask' }).first().waitFor({ timeout: 60_000 });
    await runCommand(workbench, page, 'Unmask: Show Panel');
    frame = await panel();
    await frame.locator('.runs li', { hasText: 'finished' }).first().waitFor({ timeout: 600_000 });
    const [run] = await runs();
    assert.equal(run!.state, 'finished');
    assert.deepEqual(
      stepsOf(await readEvents(run!.dir)).map(({ step }) => step),
      Array.from({ length: steps }, (_, index) => index + 1),
    );
    const reward = frame.locator('.chart', { has: frame.getByRole('heading', { name: 'Reward', exact: true }) });
    await reward.getByText('Numbers').click();
    await reward
      .locator('tbody tr')
      .nth(steps - 1)
      .waitFor();
    assert.equal(await reward.locator('tbody tr').count(), steps);
    await screenshots(page, 'training-panels');
  });

  it('a sample of the run is shown as it was denoised', async () => {
    const frame = await panel();
    const sample = frame.locator('#samples article').first();
    await sample.waitFor();
    await sample.getByRole('button', { name: 'Show denoising' }).click();
    await frame.locator('.player .canvas .grid4').waitFor({ timeout: 30_000 });
    await screenshots(page, 'sample');
  });

  it('the end of the run is reported once', async () => {
    const [run] = await runs();
    const notified = await readdir(path.join(workbench.home, 'cache', 'notified'));
    assert.equal(notified.filter((note) => note.startsWith(`${run!.run}.`)).length, 1);
    const toasts = await page.locator('.notification-toast', { hasText: 'Tuning on sudoku4x4' }).count();
    assert.ok(toasts <= 1, `${toasts} messages tell it`);
  });

  it('a run is stopped and saved directly after a reload', async () => {
    await runAsking(workbench, page, 'Unmask: Tune on Task', 'sudoku4x4');
    for (const answer of ['sudoku4x4', 'spg-mixture', 'unmask-puzzles']) await answerPick(page, answer);
    await answerPick(page, '500', 'type');
    const newest = async () => (await runs())[0]!;
    while ((await runs()).length < 2) await delay(200);
    await page.reload();
    await runCommand(workbench, page, 'Unmask: Show Panel');
    const stop = (await panel()).locator('.runs li').first().getByRole('button', { name: 'Stop and save' });
    await stop.click({ timeout: 60_000 });
    while ((await newest()).state !== 'interrupted') await delay(200);
    assert.ok((await newest()).step < 500);
    assert.equal(await lockHolder((await newest()).dir), null);
  });

  it('a runtime that is killed does not affect a run, and is restarted', async () => {
    await runAsking(workbench, page, 'Unmask: Tune on Task', 'sudoku4x4');
    for (const answer of ['sudoku4x4', 'spg-mixture', 'unmask-puzzles']) await answerPick(page, answer);
    await answerPick(page, '3', 'type');
    const deadline = Date.now() + 60_000;
    while ((await runs()).length < 3 && Date.now() < deadline) await delay(200);
    const [runtime] = workbench.runtimes();
    process.kill(runtime as number, 'SIGKILL');
    while (workbench.runtimes().every((pid) => pid === runtime)) await delay(200);
    while ((await runs())[0]!.state !== 'finished' && Date.now() < deadline + 120_000) await delay(500);
    assert.equal((await runs())[0]!.state, 'finished');
    const status = JSON.parse(await readFile(path.join((await runs())[0]!.dir, 'status.json'), 'utf8'));
    assert.equal(status.step, 3);
  });
});

/** A code base with tests, as a user would open it. */
describe('a folder with tests', { timeout: 600_000 }, () => {
  it('is tuned on from the palette: covered functions, a choice of them, and a run to watch', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-tests-tour-'));
    let workbench: Workbench | undefined;
    try {
      const workspace = path.join(folder, 'till');
      await cp(path.join(import.meta.dirname, '../workspaces/till'), workspace, { recursive: true });
      // Each step takes seconds, because a file is a long text for a small machine.
      const brief = {
        ...hyperparameters,
        prompts_per_step: 1,
        group_size: 2,
        length: 16,
        decoding_steps: 4,
        evaluation_problems: 1,
        trial_attempts: 4,
      };
      workbench = await Workbench.start({
        install: [await extensionPackage()],
        machineSettings: { 'unmask.engine': 'onnx', 'unmask.device': 'cpu', 'unmask.tuning.hyperparameters': brief },
      });
      const page = await workbench.open(workspace);
      await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
      await openAt(page, 'basket.ts', 2);
      await runCommand(workbench, page, 'Unmask: Find Functions Covered by Tests');
      const found = page.locator('.pane', { hasText: 'Workspace Tests' }).locator('.monaco-list-row');
      await found.filter({ hasText: 'Basket.constructor' }).waitFor({ timeout: 120_000 });
      await found.filter({ hasText: 'Basket.constructor' }).locator('.monaco-tl-twistie').click();
      await found
        .filter({ hasText: 'takes a discount off' })
        .or(found.filter({ hasText: 'counts what is put in' }))
        .first()
        .waitFor();
      await screenshots(page, 'workspace-tests');
      await runCommand(workbench, page, 'Unmask: Tune on Workspace Tests');
      // Every function is ticked; one of them is excluded here.
      const row = page.locator('.quick-input-list .monaco-list-row', { hasText: 'percentOf' });
      await row.waitFor({ timeout: 120_000 });
      await screenshot(page, 'choose-functions');
      await row.locator('input[type=checkbox], .monaco-checkbox').first().click();
      await page.locator('.quick-input-widget .monaco-button', { hasText: 'OK' }).click();
      for (const answer of ['spg-mixture', 'unmask-code']) await answerPick(page, answer);
      await answerPick(page, '200', 'type');
      const frame = await webview(page, 'main.panel');
      await frame.locator('.runs li', { hasText: 'workspace · spg-mixture' }).first().waitFor();
      const root = path.join(workbench.home, 'runs');
      const tuning = async () => (await listRuns(root)).find(({ kind }) => kind === 'tune')!;
      const deadline = Date.now() + 240_000;
      while ((await tuning()).step < 1 && Date.now() < deadline) await delay(500);
      await screenshots(page, 'tuned-on-tests');
      await requestControl((await tuning()).dir, 'stop');
      while ((await lockHolder((await tuning()).dir)) !== null && Date.now() < deadline) await delay(200);
      const run = await tuning();
      assert.equal(run.task, 'workspace');
      assert.ok(run.step >= 1, `${run.state} after ${run.step} steps`);
      const { settings } = JSON.parse(await readFile(path.join(run.dir, 'run.json'), 'utf8'));
      const chosen = (await readFile(settings.data, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).function);
      assert.equal(chosen.length, 8);
      assert.ok(!chosen.includes('percentOf'));
    } finally {
      await workbench?.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** A workspace that is not trusted yet. */
describe('an untrusted workspace', { timeout: 300_000 }, () => {
  it('has completions, and the manifest says what is disabled', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-trust-test-'));
    let workbench: Workbench | undefined;
    try {
      const workspace = path.join(folder, 'workspace');
      await mkdir(path.join(workspace, '.vscode'), { recursive: true });
      // Settings of a hostile folder.
      const hostile = { 'unmask.node': '/bin/false', 'unmask.model': '/nowhere', 'unmask.home': '/nowhere' };
      await writeFile(path.join(workspace, '.vscode', 'settings.json'), JSON.stringify(hostile));
      await writeFile(path.join(workspace, 'shape.ts'), knownSource.replace(' width * height;', ''));
      const model = await memorisedModel();
      workbench = await Workbench.start({
        install: [await extensionPackage()],
        trusted: false,
        machineSettings: { 'unmask.model': model, 'unmask.engine': 'onnx', 'unmask.device': 'cpu' },
        settings: { 'security.workspace.trust.startupPrompt': 'never' },
      });
      const page = await workbench.open(workspace);
      await page.locator('.statusbar-item', { hasText: 'Restricted Mode' }).waitFor({ timeout: 60_000 });
      await page.locator('.statusbar-item', { hasText: 'Unmask' }).waitFor({ timeout: 60_000 });
      await openAt(page, 'shape.ts', 3);
      const ghost = page.locator('.editor-instance [class*="ghost-text"]').first();
      for (let attempt = 0; attempt < 10 && !(await ghost.isVisible()); attempt++) {
        await page.keyboard.type(' ');
        await ghost.waitFor({ timeout: 6000 }).catch(() => page.keyboard.press('Backspace'));
      }
      await page.keyboard.press('Tab');
      await page.locator('.view-line', { hasText: 'const product = width * height;' }).waitFor();
      // None of its code is run.
      await runCommand(workbench, page, 'Unmask: Find Functions Covered by Tests');
      await page
        .locator('.notification-toast', { hasText: 'only in a trusted workspace' })
        .waitFor({ timeout: 30_000 });
      assert.deepEqual(await listRuns(path.join(workbench.home, 'runs')), []);
    } finally {
      await workbench?.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
