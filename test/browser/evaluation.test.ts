import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import { findChromium } from '../../scripts/testing/chromium.ts';
import type { EvaluationReport } from '../../src/protocol/evaluation.ts';
import { worstContrast } from './contrast.ts';
import { exampleAnswer, exampleEvaluation } from './evaluation-example.ts';
import { buildPage, type OpenPage, openPage, type PageBundle } from './evaluation-page.ts';
import type { ThemeName } from './vscode-themes.ts';

const executablePath = findChromium();
const skip = executablePath === null ? 'no Chromium here' : false;
let browser: Browser;
let bundle: PageBundle;

before(async () => {
  if (executablePath === null) return;
  bundle = await buildPage();
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  browser = await chromium.launch({ executablePath, args });
});

after(() => browser?.close());

/** Opens the page and sends a report when it asks for one. */
async function open(
  t: TestContext,
  options: Parameters<typeof openPage>[3] = {},
  report: EvaluationReport = exampleEvaluation(),
): Promise<OpenPage> {
  const opened = await openPage(t, browser, bundle, options);
  assert.deepEqual(opened.requests, [{ kind: 'ready' }]);
  opened.requests.length = 0;
  await opened.send({ kind: 'report', report });
  return opened;
}

/** Opens a problem by its row and answers the page's request for it. */
async function openProblem({ page, send, requests }: OpenPage, number: number): Promise<void> {
  const row = exampleEvaluation().rows[number - 1]!;
  await page.locator('.rows tbody tr', { has: page.locator(`td:text-is("${number}")`) }).click();
  assert.deepEqual(requests.at(-1), { kind: 'show-answers', problem: row.problem });
  await send({
    kind: 'answers',
    problem: row.problem,
    shown: [exampleAnswer(row)],
    compared: [{ ...exampleAnswer(row, 'compared'), completion: 'something else' }],
  });
}

test('the result is shown next to the compared one, with intervals and a conclusion', { skip }, async (t) => {
  const { page, complaints } = await open(t);
  assert.equal(await page.locator('h1').innerText(), 'sudoku4x4-spg-mixture on sudoku4x4');
  assert.deepEqual(await page.locator('.metric-cards h3').allInnerTexts(), ['cell accuracy', 'solved']);
  assert.deepEqual(await page.locator('.verdict').allInnerTexts(), [
    'better +9.7 points (+7.1 to +12.3)',
    'no measurable difference +4.5 points (−2.0 to +11.0)',
  ]);
  assert.match(
    (await page.locator('.change .note').first().textContent()) ?? '',
    /Better on 20, worse on 10, the same on 30 of 60/,
  );
  assert.equal(await page.locator('.verdicts p').count(), 3);
  assert.match(
    (await page.locator('.intervals svg').first().getAttribute('aria-label')) ?? '',
    /^other 86\.1\u202f%, 95 % confidence interval .*; this 95\.8\u202f%/,
  );
  assert.equal(await page.evaluate('keptState.against'), exampleEvaluation().compared?.dir);
  assert.deepEqual(complaints, []);
});

test('the user can compare with another evaluation, or with none', { skip }, async (t) => {
  const { page, requests, send } = await open(t);
  const { others, ...report } = exampleEvaluation();
  const select = page.getByLabel('Compare with');
  assert.equal(await select.inputValue(), others[0]?.dir);
  await select.selectOption(others[1]!.dir);
  assert.deepEqual(requests, [{ kind: 'compare', against: others[1]!.dir }]);
  await select.selectOption('');
  assert.deepEqual(requests.at(-1), { kind: 'compare', against: null });
  const alone = report.rows.map((row) => ({ ...row, compared: null, change: null }));
  await send({ kind: 'report', report: { ...report, others: [], compared: null, differences: [], rows: alone } });
  assert.equal(await page.getByLabel('Compare with').isDisabled(), true);
  assert.equal(await page.locator('.verdict').count(), 0);
  assert.deepEqual(await page.locator('.filters button').allInnerTexts(), ['All 60', 'Wrong 10']);
  assert.deepEqual(await page.locator('.rows thead th').allInnerTexts(), ['#', 'Problem', 'This']);
});

test('problems are filtered and paged', { skip }, async (t) => {
  const { page } = await open(t);
  const rows = page.locator('.rows tbody tr');
  const where = page.locator('#problems output');
  assert.deepEqual(await page.locator('.filters button').allInnerTexts(), [
    'All 60',
    'Wrong 10',
    'Differs 30',
    'Better 20',
    'Worse 10',
  ]);
  assert.deepEqual([await rows.count(), await where.innerText()], [25, '1 to 25 of 60']);
  await page.getByLabel('Next page').click();
  await page.getByLabel('Next page').click();
  assert.deepEqual([await rows.count(), await where.innerText()], [10, '51 to 60 of 60']);
  assert.equal(await page.getByLabel('Next page').isDisabled(), true);
  await page.getByRole('button', { name: 'Worse' }).click();
  assert.deepEqual([await rows.count(), await where.innerText()], [10, '1 to 10 of 10']);
  assert.deepEqual([...new Set(await rows.locator('td:last-child').allInnerTexts())], ['worse']);
  assert.deepEqual([...new Set(await rows.locator('td:nth-child(3) .wrong').allInnerTexts())], ['wrong (75.0\u202f%)']);
});

test('a problem shows the prompt, the answer, its extracted part, and how it was denoised', { skip }, async (t) => {
  const opened = await open(t, { reducedMotion: 'reduce' });
  const { page, complaints } = opened;
  await openProblem(opened, 2);
  const answers = page.locator('#answers');
  assert.equal(await answers.locator('h2').first().innerText(), 'Problem 2');
  assert.deepEqual(await answers.locator('.answer-card h3').allInnerTexts(), [
    'This evaluation: wrong',
    'The other evaluation: wrong',
  ]);
  assert.equal(await answers.locator('.text').first().innerText(), '3014002020004130:');
  assert.match(
    await answers.locator('.answer-card .note').first().innerText(),
    /^Extracted answer: 3214142323411111; cell accuracy 7 of 9, /,
  );
  const player = page.locator('.player');
  await player.focus();
  await page.keyboard.press('Home');
  assert.equal(await player.locator('.masked:not(.key *)').count(), 16);
  await page.keyboard.press('ArrowRight');
  assert.equal(await player.locator('.canvas .masked').count(), 15);
  await page.getByLabel('Completion to show').selectOption({ label: 'The other evaluation' });
  assert.equal(await page.locator('.player .grid4 .token').count(), 16);
  assert.deepEqual(complaints, []);
});

test('rows can be opened with the keyboard, and the arrow keys move between rows', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { page, requests } = await open(t);
  // The page sends its request shortly after the key press.
  const asked = async (count: number) => {
    while (requests.length < count) await page.waitForTimeout(20);
  };
  await page.locator('.rows tbody tr').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await asked(1);
  assert.deepEqual(requests, [{ kind: 'show-answers', problem: 'p1' }]);
  assert.equal(await page.locator('.rows tr[aria-current] td').first().innerText(), '2');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Space');
  await asked(2);
  assert.deepEqual(requests.at(-1), { kind: 'show-answers', problem: 'p0' });
});

test('an export is requested, and an error is shown', { skip }, async (t) => {
  const { page, requests, send } = await open(t);
  await page.getByRole('button', { name: 'Export CSV' }).click();
  await page.getByRole('button', { name: 'Export JSONL' }).click();
  assert.deepEqual(requests, [
    { kind: 'export', format: 'csv' },
    { kind: 'export', format: 'jsonl' },
  ]);
  await send({ kind: 'failed', request: 'compare', reason: 'They have no problem in common.' });
  assert.equal(await page.getByRole('alert').innerText(), 'They have no problem in common.');
  await send({ kind: 'report', report: exampleEvaluation() });
  assert.equal(await page.getByRole('alert').count(), 0);
});

test('hostile strings are displayed as text everywhere', { skip }, async (t) => {
  const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- </style> \u2028 &lt; "\'';
  // Line separators are shown as escapes.
  const escaped = hostile.replace('\u2028', '\\u2028');
  const report = exampleEvaluation();
  const summary = { ...report.evaluation, task: hostile, model: hostile, run: hostile, data: hostile };
  const [first] = report.rows;
  const row = {
    ...first!,
    label: hostile,
    shown: { ...first!.shown, extracted: hostile },
    compared: { ...first!.shown, extracted: hostile },
  };
  const { page, complaints, send } = await open(
    t,
    {},
    {
      ...report,
      evaluation: summary,
      compared: summary,
      others: [summary],
      differences: report.differences.map((difference) => ({ ...difference, name: hostile })),
      verdicts: [hostile],
      rows: [row],
    },
  );
  await page.locator('.rows tbody tr').click();
  const answer = { ...exampleAnswer(row), prompt: hostile, completion: hostile, extracted: hostile };
  const pieces = answer.pieces.map(() => hostile);
  await send({ kind: 'answers', problem: row.problem, shown: [{ ...answer, pieces }], compared: [answer] });
  await send({ kind: 'failed', request: 'ready', reason: hostile });
  assert.equal(await page.locator('.problem').textContent(), escaped);
  assert.deepEqual(await page.locator('.text').allTextContents(), [escaped, escaped, escaped]);
  assert.equal(await page.locator('img, script:not([nonce])').count(), 0);
  assert.deepEqual(complaints, []);
});

const screenshots = process.env.UNMASK_TEST_SCREENSHOTS;

for (const theme of ['dark', 'light', 'high-contrast', 'high-contrast-light'] as ThemeName[]) {
  test(`text has sufficient contrast in the theme ${theme}`, { skip }, async (t) => {
    const opened = await open(t, { theme, reducedMotion: 'reduce' });
    await openProblem(opened, 2);
    const [contrast, where] = await worstContrast(opened.page, 'main');
    if (screenshots) {
      await mkdir(screenshots, { recursive: true });
      await opened.page.screenshot({ path: path.join(screenshots, `evaluation-${theme}.png`), fullPage: true });
    }
    assert.ok(contrast >= 4.5, `contrast ${contrast.toFixed(2)} in ${where}`);
    assert.deepEqual(opened.complaints, []);
  });
}

test('everything has a name and can be reached with the keyboard, and nothing overflows at 300 pixels', {
  skip,
}, async (t) => {
  const opened = await open(t, { viewport: { width: 300, height: 800 }, reducedMotion: 'reduce' });
  const { page } = opened;
  await openProblem(opened, 2);
  if (screenshots) await page.screenshot({ path: path.join(screenshots, 'evaluation-300.png'), fullPage: true });
  const nameless =
    await page.evaluate(`[...document.querySelectorAll('button, select, input, [role=img], [role=region], [role=group]')]
    .filter((element) => !(element.getAttribute('aria-label') || element.labels?.length || element.textContent.trim()))
    .map((element) => element.outerHTML.slice(0, 80))`);
  assert.deepEqual(nameless, []);
  const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(wide, 0);
  await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
});
