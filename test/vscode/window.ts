import path from 'node:path';
import type { Frame, Locator, Page } from 'playwright-core';
import type { Workbench } from './workbench.ts';

/** Runs a command as a user does: F1, its title, Enter. */
export async function runCommand(workbench: Workbench, page: Page, title: string): Promise<void> {
  const input = page.locator('.quick-input-widget input.input');
  const first = page.locator('.quick-input-list .monaco-list-row').first().filter({ hasText: title });
  // The palette lists the commands known when it opens, and extensions are loaded shortly after the window appears.
  for (let attempt = 0; attempt < 20; attempt++) {
    await page.keyboard.press('F1');
    // Anything that takes the focus closes the palette, and a user would open it again.
    const isListed = async () => {
      await input.fill(`>${title}`, { timeout: 2000 });
      await first.waitFor({ timeout: 2000 });
    };
    const listed = await isListed().then(
      () => true,
      () => false,
    );
    if (listed) return page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
  }
  throw new Error(`the palette does not list "${title}"; the server said:\n${workbench.log.slice(-4000)}`);
}

/**
 * Runs a command that shows a list. If something takes the focus before the list appears, the list closes and the
 * command is run again.
 */
export async function runAsking(workbench: Workbench, page: Page, title: string, listed: string): Promise<void> {
  const row = page.locator('.quick-input-list .monaco-list-row', { hasText: listed }).first();
  for (let attempt = 0; attempt < 5; attempt++) {
    await runCommand(workbench, page, title);
    const isRequested = await row.waitFor({ timeout: 15_000 }).then(
      () => true,
      () => false,
    );
    if (isRequested) return;
  }
  throw new Error(`"${title}" does not ask for ${listed}`);
}

/** Opens a file of the workspace with the cursor at the end of a line, from 1. */
export async function openAt(page: Page, file: string, line: number): Promise<void> {
  const input = page.locator('.quick-input-widget input.input');
  await page.keyboard.press('Control+p');
  await input.fill(file);
  await page.locator('.quick-input-list .monaco-list-row').filter({ hasText: file }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.tab.active', { hasText: file }).waitFor();
  await page.locator('.editor-instance .view-lines').first().click();
  await page.keyboard.press('Control+Home');
  for (let down = 1; down < line; down++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  // The status bar shows the cursor's position.
  await page.locator('.statusbar-item', { hasText: `Ln ${line}, ` }).waitFor();
}

/** The text of the shown editor; the editor draws spaces as no-break spaces. */
export async function editorText(page: Page): Promise<string> {
  const lines = await page.locator('.editor-instance .view-lines .view-line').all();
  const placed = await Promise.all(
    lines.map(async (line) => ({
      top: await line.evaluate((element: { style: { top: string } }) => Number.parseInt(element.style.top, 10)),
      text: ((await line.textContent()) ?? '').replaceAll('\u00a0', ' '),
    })),
  );
  return placed
    .sort((a, b) => a.top - b.top)
    .map(({ text }) => text)
    .join('\n');
}

/** The suggestion after the cursor, in one piece or in several. */
export const ghostText = (page: Page): Locator => page.locator('.editor-instance [class*="ghost-text"]');

/** The text of the suggestion; the editor draws spaces as no-break spaces. */
export const suggested = async (page: Page): Promise<string> =>
  (await ghostText(page).allTextContents()).join('').replaceAll('\u00a0', ' ');

/** Types until a suggestion that contains a text is shown: the first request loads the model, which takes some time. */
export async function typeUntilSuggested(
  workbench: Workbench,
  page: Page,
  text: string,
  expected: string,
): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    await page.keyboard.type(text);
    const isShown = await ghostText(page)
      .first()
      .waitFor({ timeout: 6000 })
      .then(
        () => true,
        () => false,
      );
    if (isShown && (await suggested(page)).includes(expected)) return;
    for (const _ of text) await page.keyboard.press('Backspace');
  }
  await runCommand(workbench, page, 'Unmask: Explain Last Completion');
  throw new Error(`no suggestion ${expected} showed:\n${await editorText(page)}`);
}

/** The page of a webview that contains this element; VS Code nests each page in two frames. */
export async function webview(page: Page, selector: string): Promise<Frame> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    for (const frame of page.frames()) {
      const found = await frame
        .locator(selector)
        .first()
        .isVisible()
        .catch(() => false);
      if (found) return frame;
    }
    await page.waitForTimeout(200);
  }
  throw new Error(`no webview shows ${selector}`);
}

/** Answers VS Code's question with the item of that name, or with a text. */
export async function answerPick(page: Page, answer: string, how: 'choose' | 'type' = 'choose'): Promise<void> {
  const widget = page.locator('.quick-input-widget');
  const input = widget.locator('input.input');
  await input.waitFor({ timeout: 60_000 });
  if (how === 'type') {
    await input.fill(answer);
    await page.keyboard.press('Enter');
    return;
  }
  const row = widget.locator('.quick-input-list .monaco-list-row', { hasText: answer }).first();
  await row.waitFor({ timeout: 60_000 });
  await row.click();
}

/** Themes by the name of their screenshots: VS Code's label, and the class that the window then has. */
const themes = {
  contrast: ['Dark High Contrast', 'hc-black'],
  dark: ['Dark 2026', 'vs-dark'],
  light: ['Light 2026', 'vs'],
} as const;

/** Screenshots of the window in three themes, saved if `UNMASK_TEST_SCREENSHOTS` names a folder. */
export async function screenshots(page: Page, name: string): Promise<void> {
  if (!process.env.UNMASK_TEST_SCREENSHOTS) return;
  for (const [theme, [called, shows]] of Object.entries(themes)) {
    await page.keyboard.press('Control+k');
    await page.keyboard.press('Control+t');
    await page.locator('.quick-input-widget input.input').fill(called);
    await answerPick(page, called);
    await page.locator(`.monaco-workbench.${shows}`).first().waitFor();
    await page.waitForTimeout(1000);
    await screenshot(page, `${name}-${theme}`);
  }
}

/** Saved if `UNMASK_TEST_SCREENSHOTS` names a folder. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const shots = process.env.UNMASK_TEST_SCREENSHOTS;
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}
