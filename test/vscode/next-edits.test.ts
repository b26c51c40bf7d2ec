import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { extensionPackage } from './extension-package.ts';
import { editorText, ghostText, openAt, runCommand, screenshots } from './window.ts';
import { Workbench } from './workbench.ts';

const files = {
  'rename.ts': 'var total\nuse(total);\nlog("total", total);\n',
  'repeat.ts': 'alpha = 1\nbeta = 2\ngamma = 3\ndelta = 4\n',
  'far.ts': `var distance\n${'run();\n'.repeat(150)}use(distance);\n`,
  'dismiss.ts': 'var height\nuse(height);\n',
  'list.ts': 'var width\nuse(width);\n',
  'stale.ts': 'var depth\nuse(depth);\n',
  'cursors.ts': 'var count\nuse(count);\nend();\n',
  'automatic.ts': 'first + old\nfirst + old\nfirst + old\nfirst + old\n',
} as const;

/** Next edits as a user sees them, from the installed package. They need no model. */
describe('next edits in the installed package', { timeout: 400_000 }, () => {
  let folder: string;
  let workbench: Workbench;
  let page: Page;
  const settings = { 'editor.quickSuggestions': false, 'unmask.completions.enabled': false };
  const status = () => page.locator('.statusbar-item[aria-label^="Next edit"]');
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-next-edits-test-'));
    const workspace = path.join(folder, 'workspace');
    await mkdir(workspace);
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(workspace, name), text);
    workbench = await Workbench.start({ install: [await extensionPackage()], settings });
    page = await workbench.open(workspace);
    await page.locator('.statusbar-item[aria-label*="Completions are off"]').waitFor({ timeout: 60_000 });
  });
  after(async () => {
    await workbench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens a file, and writes another name for the one at the end of its first line. */
  async function rename(file: keyof typeof files, from: string, to: string): Promise<void> {
    await openAt(page, file, 1);
    for (const _ of from) await page.keyboard.press('Backspace');
    await page.keyboard.type(to);
  }

  /** Shows the next edit by its key, once the runtime has the change. */
  async function show(label: string): Promise<void> {
    await page.keyboard.press('Control+Alt+Enter');
    await status().filter({ hasText: label }).waitFor({ timeout: 30_000 });
  }

  const isAt = (line: number) => page.locator('.statusbar-item', { hasText: `Ln ${line}, ` }).waitFor();
  const hasLine = (text: string) => page.locator('.view-line', { hasText: text }).first().waitFor();

  it('carry a rename on: Tab goes to a place, Tab accepts it, and undo takes back one step', async () => {
    await rename('rename.ts', 'total', 'sum');
    await show('Rename total to sum');
    await screenshots(page, 'next-edit');
    await page.keyboard.press('Tab');
    await isAt(2);
    await page.keyboard.press('Tab');
    await hasLine('use(sum);');
    await status().filter({ hasText: 'Rename total to sum' }).waitFor();
    await page.keyboard.press('Tab');
    await isAt(3);
    await page.keyboard.press('Tab');
    await hasLine('log("total", sum);');
    assert.match(await editorText(page), /^var sum\nuse\(sum\);\nlog\("total", sum\);$/m);
    await page.keyboard.press('Control+z');
    await hasLine('log("total", total);');
    assert.match(await editorText(page), /^use\(sum\);$/m);
  });

  it('are explained', async () => {
    await runCommand(workbench, page, 'Unmask: Explain Last Completion');
    await hasLine('Next edit: ');
  });

  it('repeat an edit at three places, as ghost text where the cursor is', async () => {
    await openAt(page, 'repeat.ts', 1);
    await page.keyboard.type(';');
    await show('beta = 2;');
    for (const [line, text] of [
      [2, 'beta = 2;'],
      [3, 'gamma = 3;'],
      [4, 'delta = 4;'],
    ] as const) {
      await status().filter({ hasText: text }).waitFor();
      await page.keyboard.press('Tab');
      await isAt(line);
      await ghostText(page).first().waitFor();
      await page.keyboard.press('Tab');
      await hasLine(text);
    }
    assert.match(await editorText(page), /^alpha = 1;\nbeta = 2;\ngamma = 3;\ndelta = 4;$/m);
  });

  it('have a hint at the cursor while their place is out of sight', async () => {
    await rename('far.ts', 'distance', 'range');
    await show('Rename distance to range');
    const drawn = () =>
      page.locator('.editor-instance .view-line span').evaluateAll((spans) =>
        // The tests are checked without the types of browsers.
        (spans as object[]).map((span) => {
          const view = globalThis as unknown as { getComputedStyle(of: object, part: string): { content: string } };
          return view.getComputedStyle(span, '::after').content;
        }),
      );
    const hints = (await drawn()).filter((content) => /Tab: Rename distance to range \(line 152\)/.test(content));
    assert.equal(hints.length, 1);
    await page.keyboard.press('Tab');
    await isAt(152);
    await page.keyboard.press('Tab');
    await hasLine('use(range);');
  });

  it('are dismissed by Esc, after which Tab is an ordinary key', async () => {
    await rename('dismiss.ts', 'height', 'size');
    await show('Rename height to size');
    await page.keyboard.press('Escape');
    await status().waitFor({ state: 'detached' });
    await page.keyboard.press('Tab');
    await page.keyboard.type('= 1');
    await hasLine('= 1');
    assert.match(await editorText(page), /^use\(height\);$/m);
  });

  it('leave the keys to an open list of suggestions', async () => {
    await rename('list.ts', 'width', 'extent');
    await show('Rename width to extent');
    await page.keyboard.press('Control+Space');
    const list = page.locator('.suggest-widget.visible');
    await list.waitFor();
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'hidden' });
    assert.equal(await status().count(), 1);
    await page.keyboard.press('Control+Space');
    await list.waitFor();
    await page.keyboard.press('Tab');
    await list.waitFor({ state: 'hidden' });
    assert.match(await editorText(page), /^use\(width\);$/m);
  });

  it('are not shown if the document changed before the answer', async () => {
    await rename('stale.ts', 'depth', 'reach');
    await page.keyboard.press('Control+Alt+Enter');
    await page.keyboard.type(' = 2');
    await hasLine('var reach = 2');
    await page.waitForTimeout(1_000);
    assert.equal(await status().count(), 0);
    assert.match(await editorText(page), /^var reach = 2\nuse\(depth\);$/m);
  });

  it('work in an untitled file', async () => {
    await runCommand(workbench, page, 'New Untitled Text File');
    await page.locator('.tab.active', { hasText: 'Untitled-1' }).waitFor();
    await page.keyboard.type('amount\nuse(amount)\n');
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('End');
    for (const _ of 'amount') await page.keyboard.press('Backspace');
    await page.keyboard.type('price');
    await show('Rename amount to price');
    await page.keyboard.press('Tab');
    await isAt(2);
    await page.keyboard.press('Tab');
    await hasLine('use(price)');
  });

  it('leave the keys to two cursors, whose edits lead to no next edit', async () => {
    await rename('cursors.ts', 'count', 'tally');
    await show('Rename count to tally');
    await runCommand(workbench, page, 'Add Cursor Below');
    await page.locator('.statusbar-item', { hasText: '2 selections' }).waitFor();
    await page.keyboard.press('Home');
    await page.keyboard.press('Tab');
    await hasLine('  var tally');
    assert.match(await editorText(page), /^ +var tally\n +use\(count\);\nend\(\);$/m);
    await page.keyboard.type('x');
    await page.keyboard.press('Control+Alt+Enter');
    await page.locator('.statusbar-item', { hasText: 'No next edit.' }).waitFor();
    assert.equal(await status().count(), 0);
  });

  it('are shown without a command if the setting says so', async () => {
    const machine = path.join(workbench.profile, 'user', 'Machine', 'settings.json');
    await writeFile(machine, JSON.stringify({ 'unmask.nextEdits': 'automatic' }));
    await rename('automatic.ts', 'old', 'fresh');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    for (const _ of 'old') await page.keyboard.press('Backspace');
    await page.keyboard.type('fresh');
    const isShown = () =>
      status()
        .filter({ hasText: 'Rename old to fresh' })
        .waitFor({ timeout: 3_000 })
        .then(
          () => true,
          () => false,
        );
    // VS Code reads the changed settings a moment later. Until then, typing shows nothing.
    for (let attempt = 0; attempt < 10 && !(await isShown()); attempt++) {
      await page.keyboard.type('x');
      await page.keyboard.press('Backspace');
    }
    await page.keyboard.press('Tab');
    await isAt(3);
    await page.keyboard.press('Tab');
    await status().filter({ hasText: 'Rename old to fresh' }).waitFor();
    assert.match(await editorText(page), /^(first \+ fresh\n){3}first \+ old$/m);
  });
});
