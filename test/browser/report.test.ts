import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { bundles } from '../../esbuild.mjs';
import { findChromium } from '../../scripts/testing/chromium.ts';
import { type ReportAssets, writeReport } from '../../src/evaluation/report.ts';
import type { ReportData } from '../../src/protocol/report.ts';
import { worstContrast } from './contrast.ts';
import { denoise, exampleReport } from './example.ts';
import { type Canvas, colouredPixels } from './painted.ts';

const executablePath = findChromium();
const skip = executablePath === null ? 'no Chromium here' : false;
let browser: Browser;
let assets: ReportAssets;
let folder: string;

before(async () => {
  if (executablePath === null) return;
  const { outputFiles } = await build({ ...bundles['dist/report.js'], write: false });
  const output = (end: string) => outputFiles?.find((file) => file.path.endsWith(end))?.text ?? '';
  assets = { script: output('.js'), style: output('.css') };
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-report-'));
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  browser = await chromium.launch({ executablePath, args });
});

after(() => browser?.close());

interface Opened {
  readonly page: Page;
  /** Problems of the page, including its network requests. */
  readonly complaints: string[];
}

/** Opens a report from the disk, in a separate browser context. */
async function open(
  t: TestContext,
  data: ReportData,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Opened> {
  const file = path.join(folder, `${t.name.replace(/\W+/g, '-')}.html`);
  await writeReport(file, data, assets);
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const url = pathToFileURL(file).href;
  page.on('request', (request) => {
    if (request.url() !== url) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

declare function getComputedStyle(element: unknown, part?: string): { backgroundColor: string; width: string };

const text = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? '';

test('a report renders from the disk without errors or requests', { skip }, async (t) => {
  const { page, complaints } = await open(t, exampleReport());
  assert.equal(await page.title(), 'SPG tuning of unmask-tiny on 4x4 Sudoku');
  assert.equal(await text(page.locator('.change')), '86.1\u202f%→95.8\u202f%');
  const verdicts = await page.locator('.verdicts p').allInnerTexts();
  assert.match(verdicts[0] ?? '', /^Cell accuracy rose from 86\.1 % to 95\.8 %/);
  assert.match(verdicts[1] ?? '', /control reached 90\.2 %/);
  assert.equal(await page.locator('.metrics tbody tr').count(), 2);
  assert.equal(await page.getByRole('heading', { level: 2 }).count(), 5);
  assert.equal(await page.locator('.missing').count(), 0);
  await delay(300);
  assert.deepEqual(complaints, []);
});

test('every metric of the steps has a chart with curves, and a table of its values', { skip }, async (t) => {
  const { page } = await open(t, exampleReport());
  const titles = await page.locator('.chart h3').allInnerTexts();
  for (const title of [
    'Reward',
    'Reward spread within a group',
    'Groups with equal rewards',
    'Loss',
    'Gradient norm, before clipping',
    'Likelihood bounds, nats per token',
    'EUBO − ELBO, nats per token',
    'Entropy of predictions, nats',
    'Completion length, tokens',
    'Speed, tokens per second',
    'Time per step by phase, seconds',
    'Evaluation (sudoku4x4, validation)',
  ]) {
    assert.ok(titles.includes(title), `no chart ${title} among ${titles.join('; ')}`);
  }
  await page.locator('.chart canvas').last().waitFor();
  for (const chart of await page.locator('.chart').all()) {
    assert.ok((await colouredPixels(chart)) > 100, `nothing is drawn in ${await text(chart.locator('h3'))}`);
  }
  const gap = page.locator('.chart', { hasText: 'EUBO − ELBO, nats per token' });
  assert.match(await text(gap), /Known up to a constant, so it can be negative/);
  const reward = page.locator('.chart', { has: page.getByRole('heading', { name: 'Reward', exact: true }) });
  assert.deepEqual(
    (await reward.locator('.legend button').allInnerTexts()).map((entry) =>
      entry.split('\n')[0]?.replace(/ ?[\d.]+$/, ''),
    ),
    ['reward', 'rules', 'format'],
  );
  await reward.getByText('Numbers').click();
  const rows = reward.locator('tbody tr');
  await rows.first().waitFor();
  assert.equal(await rows.count(), 60);
});

test('a chart can be read with the keyboard, and its legend hides curves', { skip }, async (t) => {
  const { page } = await open(t, exampleReport());
  const chart = page.locator('.chart', { hasText: 'Loss' }).first();
  await chart.locator('canvas').waitFor();
  await chart.locator('.plot').focus();
  await page.keyboard.press('Home');
  assert.equal(await text(chart.locator('.readout')), 'step 1');
  await page.keyboard.press('ArrowRight');
  assert.equal(await text(chart.locator('.readout')), 'step 2');
  assert.match((await chart.locator('.plot').getAttribute('aria-label')) ?? '', /^Loss, step 2: loss 0\.\d+$/);
  const drawn = await colouredPixels(chart);
  const entry = chart.locator('.legend button');
  await entry.press('Enter');
  assert.equal(await entry.getAttribute('aria-pressed'), 'false');
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  assert.ok((await colouredPixels(chart)) < drawn / 10);
});

test('a denoising trace can be stepped, played and scrubbed with keyboard and mouse', {
  skip,
  timeout: 30_000,
}, async (t) => {
  const { page, complaints } = await open(t, exampleReport(), { reducedMotion: 'reduce' });
  const player = page.locator('.player');
  const counter = () => text(player.locator('.counter'));
  const masked = () => player.locator('.canvas .masked').count();
  assert.deepEqual([await counter(), await masked()], ['Step 16 of 16', 0]);
  assert.equal(await player.locator('.grid4 .token').count(), 16);
  assert.equal(
    await player.locator('.grid4 .given').count(),
    [...'3014002020004130'].filter((digit) => digit !== '0').length,
  );
  await player.focus();
  await page.keyboard.press('Home');
  assert.deepEqual([await counter(), await masked()], ['Step 0 of 16', 16]);
  assert.match((await player.locator('.canvas').getAttribute('aria-label')) ?? '', /16 of 16 masked/);
  await page.keyboard.press('ArrowRight');
  assert.deepEqual([await counter(), await masked(), await player.locator('.fresh').count()], ['Step 1 of 16', 15, 1]);
  assert.match(await text(player.locator('.revealed')), /^This step revealed “[1-4]” \(1\.00\)\.$/);
  await player.getByLabel('Next step').click();
  assert.equal(await masked(), 14);
  await player.getByLabel('Previous step').click();
  assert.equal(await masked(), 15);
  const slider = player.getByRole('slider');
  await slider.focus();
  await page.keyboard.press('End');
  assert.equal(await masked(), 0);
  await page.keyboard.press('ArrowLeft');
  assert.deepEqual([await masked(), await slider.getAttribute('aria-valuetext')], [1, 'Step 15 of 16']);
  const box = await slider.boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  assert.equal(await counter(), 'Step 8 of 16');
  await player.focus();
  await page.keyboard.press('Space');
  assert.match(await text(player.locator('.play')), /Pause/);
  while ((await masked()) >= 7) await delay(20);
  await page.keyboard.press('Space');
  const stopped = await counter();
  await delay(900);
  assert.equal(await counter(), stopped);
  await page.keyboard.press('End');
  await page.keyboard.press('Space');
  while ((await counter()) === 'Step 16 of 16') await delay(20);
  await page.keyboard.press('Space');
  assert.deepEqual(complaints, []);
});

test("a token shows when it was revealed and the model's confidence", { skip }, async (t) => {
  const { page } = await open(t, exampleReport());
  const [first, last] = ['step 1,', 'step 16,'].map((step) =>
    page.locator(`.grid4 .token[title*="revealed at ${step}"]`),
  );
  const look = (token: Locator) =>
    token.evaluate((box: unknown) => [getComputedStyle(box).backgroundColor, getComputedStyle(box, '::after').width]);
  const [early, late] = [await look(first as Locator), await look(last as Locator)];
  assert.notEqual(early[0], late[0]);
  assert.ok(Number.parseFloat(early[1] as string) > 2 * Number.parseFloat(late[1] as string));
  await page.getByText('Tokens in reveal order').click();
  const rows = page.locator('.player tbody tr');
  await rows.first().waitFor();
  assert.equal(await rows.count(), 16);
  assert.match((await rows.first().locator('td').allInnerTexts()).join(' '), /^1 \d+ [1-4] 1\.000$/);
});

test('another completion can be chosen, with visible white space and wrapped lines', { skip }, async (t) => {
  const { page } = await open(t, exampleReport());
  await page.getByLabel('Completion to show').selectOption({ label: 'Countdown, before tuning' });
  const flow = page.locator('.player .flow');
  assert.match((await text(flow)).replace(/\s+/g, ''), /^␣?Add␣the␣first␣two␣:↵␣30␣\+␣93/);
  assert.equal(await flow.locator('br').count(), 2);
});

test('samples are paged by step and within a step', { skip }, async (t) => {
  const { page } = await open(t, exampleReport());
  const rows = page.locator('.samples tbody tr');
  assert.equal(await rows.count(), 8);
  assert.deepEqual(await page.locator('.samples thead th').allInnerTexts(), [
    '#',
    'Prompt',
    'Completion',
    'rules',
    'format',
    'Reward',
    'Advantage',
  ]);
  await page.getByRole('button', { name: 'Next ›' }).click();
  assert.equal(await text(page.locator('.samples caption')), 'Step 20, 1 to 20 of 48');
  assert.equal(await rows.count(), 20);
  await page.getByLabel('Step to show').selectOption({ label: 'Step 20, 41 to 48 of 48' });
  assert.equal(await rows.count(), 8);
  assert.equal(await text(rows.first().locator('td').first()), '41');
  await page.getByRole('button', { name: 'Next ›' }).click();
  assert.equal(await text(page.locator('.samples caption')), 'Step 60');
  assert.equal(await page.getByRole('button', { name: 'Next ›' }).isDisabled(), true);
});

test('hostile strings are displayed as text everywhere', { skip }, async (t) => {
  const hostile =
    '</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- <script> </style> \u2028 &lt; "\'';
  // Line separators are shown as escapes.
  const escaped = hostile.replace('\u2028', '\\u2028');
  const data = exampleReport();
  const { page, complaints } = await open(t, {
    ...data,
    title: hostile,
    summary: [hostile],
    settings: { [hostile]: hostile },
    environment: [{ label: hostile, value: hostile }],
    headline: data.headline && {
      ...data.headline,
      task: hostile,
      metrics: [{ ...data.headline.metrics[0]!, name: hostile }],
      descriptions: { before: hostile, after: hostile, control: hostile },
    },
    steps: data.steps.map((step) => ({ ...step, [hostile]: 1 })),
    samples: [
      { step: 1, records: [{ prompt: hostile, completion: hostile, rewards: { [hostile]: 1 }, advantage: 1 }] },
    ],
    denoisings: [{ ...denoise(hostile, hostile, [hostile, ' <b>'], 1), outcome: hostile }],
  });
  await delay(200);
  assert.deepEqual(complaints, []);
  assert.equal(await page.locator('h1').textContent(), escaped);
  assert.deepEqual(await page.locator('.samples pre').allTextContents(), [escaped, escaped]);
  assert.equal(await page.locator('.outcome').textContent(), escaped);
  assert.equal(
    await page.locator('img, b, iframe, script:not([type])').count(),
    1,
    'the one script is the page itself',
  );
});

test('an empty report says that nothing was recorded', { skip }, async (t) => {
  const { page, complaints } = await open(t, {
    ...exampleReport(),
    summary: [],
    headline: null,
    settings: {},
    environment: [],
    steps: [],
    evaluations: [],
    samples: [],
    denoisings: [],
  });
  const sentences = await page.locator('.missing').allInnerTexts();
  for (const expected of [
    /not evaluated on held-out/,
    /No completion was recorded/,
    /no training step/,
    /run has no samples/,
    /settings were not recorded/,
  ]) {
    assert.ok(
      sentences.some((sentence) => expected.test(sentence)),
      `${expected} among ${sentences.join(' | ')}`,
    );
  }
  assert.deepEqual(complaints, []);
});

test('a single step, a single problem and flat curves are drawn too', { skip }, async (t) => {
  const data = exampleReport();
  const metric = { name: 'solved', before: { value: 0, low: 0, high: 0 }, after: { value: 0, low: 0, high: 0 } };
  const { page, complaints } = await open(t, {
    ...data,
    steps: [{ step: 1, time: 0, reward: 0, loss: 5e-324, grad_norm: 1e300 }],
    evaluations: data.evaluations.slice(0, 1),
    headline: {
      ...data.headline!,
      n: 1,
      metrics: [{ ...metric, control: null, difference: null, versusControl: null }],
    },
  });
  await page.locator('.chart canvas').last().waitFor();
  assert.equal(await page.locator('.intervals circle').count(), 2);
  assert.match(await text(page.locator('.verdicts')), /No control was run/);
  const missing = await text(page.locator('.missing'));
  assert.match(missing, /^Not recorded in this run: .*likelihood bounds/);
  assert.deepEqual(complaints, []);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`text has sufficient contrast in the ${colorScheme} theme, and charts follow it`, { skip }, async (t) => {
    const { page } = await open(t, exampleReport(), { colorScheme });
    const [contrast, where] = await worstContrast(page, '#report');
    assert.ok(contrast >= 4.5, `contrast ${contrast.toFixed(2)} in ${where}`);
    const chart = page.locator('.chart', { hasText: 'Loss' }).first();
    await chart.locator('canvas').waitFor();
    const picture = () => chart.locator('canvas').evaluate((canvas: Canvas) => canvas.toDataURL());
    const before = await picture();
    await page.emulateMedia({ colorScheme: colorScheme === 'light' ? 'dark' : 'light' });
    await delay(200);
    assert.notEqual(await picture(), before);
  });
}

test('all controls have a name and can be reached with the keyboard, and nothing overflows a phone', {
  skip,
}, async (t) => {
  const { page } = await open(t, exampleReport(), { viewport: { width: 360, height: 740 } });
  const nameless =
    await page.evaluate(`[...document.querySelectorAll('button, select, input, [role=img], [role=region]')]
    .filter((element) => !(element.getAttribute('aria-label') || element.textContent.trim()))
    .map((element) => element.outerHTML.slice(0, 80))`);
  assert.deepEqual(nameless, []);
  const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(wide, 0);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.getAttribute("href")'), '#result');
});

test('a report prints charts in light colours and no controls', { skip }, async (t) => {
  const { page } = await open(t, exampleReport(), { colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  assert.equal(await page.locator('.controls').first().isVisible(), false);
  const ground = await page.evaluate('getComputedStyle(document.body).color');
  assert.equal(ground, 'rgb(26, 29, 36)');
  const pdf = await page.pdf({ format: 'A4' });
  assert.ok(pdf.length > 50_000, 'charts are printed');
});
