import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FrameLocator, Page } from 'playwright-core';
import { extensionPackage } from './extension-package.ts';
import { runCommand, screenshot, screenshots } from './window.ts';
import { Workbench } from './workbench.ts';

/** Run SPG Eval as a user runs it, in a real workbench with the installed package. */
describe('Run SPG Eval', { timeout: 400_000 }, () => {
  let folder: string;
  let home: string;
  let workbench: Workbench;
  let page: Page;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-evaluations-test-'));
    home = path.join(folder, 'home');
    await mkdir(path.join(folder, 'workspace'));
    workbench = await Workbench.start({ install: [await extensionPackage()], environment: { UNMASK_HOME: home } });
    page = await workbench.open(path.join(folder, 'workspace'));
    await page.locator('.monaco-workbench').waitFor();
  });
  after(async () => {
    await workbench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The page of the active tab. */
  const report = (): FrameLocator =>
    page.frameLocator('.editor-container iframe.webview, iframe.webview').last().frameLocator('#active-frame');

  /** Answers the questions: the ticked suites, the first model, and this number of problems. */
  async function evaluate(problems: number): Promise<void> {
    await runCommand(workbench, page, 'Unmask: Run SPG Eval');
    const widget = page.locator('.quick-input-widget');
    await widget.getByText('Select suites').waitFor();
    assert.match(
      (await widget.locator('.monaco-list-row', { hasText: 'gsm8k' }).innerText()).replaceAll('\n', ' '),
      /needs a problem file/,
    );
    await page.keyboard.press('Enter');
    await widget.getByText('Select a model').waitFor();
    // Enter accepts the focused row, and the focus is set shortly after the rows appear.
    await widget.locator('.monaco-list-row.focused', { hasText: 'unmask-puzzles' }).waitFor();
    await page.keyboard.press('Enter');
    await widget.getByText('Enter the number of problems').waitFor();
    await widget.locator('input.input').fill(String(problems));
    await page.keyboard.press('Enter');
  }

  it('asks for suites, a model and problems, and opens the report', async () => {
    await evaluate(12);
    const heading = report().locator('h1');
    await heading.waitFor({ timeout: 120_000 });
    assert.equal(await heading.innerText(), 'unmask-puzzles on sudoku4x4');
    assert.match(await report().locator('.verdicts').innerText(), /reached [\d.]+ % cell accuracy on 12 problems/);
    assert.equal(await report().locator('.rows tbody tr').count(), 12);
    await screenshot(page, 'evaluation');
  });

  it('shows a problem, its answer, and how it was denoised', async () => {
    await report().locator('.rows tbody tr').nth(2).click();
    await report().locator('.answer-card').waitFor();
    assert.equal(await report().locator('#answers h2').first().innerText(), 'Problem 3');
    assert.equal(await report().locator('.player .grid4 .token').count(), 16);
  });

  it('remembers the choice, and compares the next report with the previous one', async () => {
    await evaluate(8);
    await report().locator('.verdict').first().waitFor({ timeout: 120_000 });
    assert.match(
      (await report().locator('.verdict').first().innerText()).trim(),
      /^no measurable difference 0\.0 points/,
    );
    assert.match(
      await report().locator('.verdicts').innerText(),
      /Only 8 problems are in both evaluations: this one has 8, the other one 12/,
    );
    await screenshots(page, 'evaluation');
    assert.equal((await readdir(path.join(home, 'evaluations'))).length, 2);
    await report().locator('.rows tbody tr').first().click();
    await report().locator('.player').waitFor();
    await screenshot(page, 'evaluation-problem');
  });
});
