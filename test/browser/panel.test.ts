import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { findChromium } from '../../scripts/testing/chromium.ts';
import type { EvaluationEvent } from '../../src/protocol/events.ts';
import type { PanelRunContents } from '../../src/protocol/panel.ts';
import { worstContrast } from './contrast.ts';
import { denoise } from './example.ts';
import { type Canvas, colouredPixels } from './painted.ts';
import {
  broken,
  codeDenoising,
  codeText,
  denoiseResult,
  exampleRuns,
  finished,
  liveFrames,
  nextEvents,
  runContents,
  running,
  samplesPage,
  slowerContents,
  trace,
} from './panel-example.ts';
import { buildPanel, type OpenPanel, openPanel, type PanelFiles } from './panel-page.ts';
import { type ThemeName, vscodeThemes } from './vscode-themes.ts';

const executablePath = findChromium();
const skip = executablePath === null ? 'no Chromium here' : false;
let browser: Browser;
let files: PanelFiles;
before(async () => {
  if (executablePath === null) return;
  files = await buildPanel();
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  browser = await chromium.launch({ executablePath, args });
});
after(() => browser?.close());

const open = (t: TestContext, options: Parameters<typeof openPanel>[3] = {}) => openPanel(t, browser, files, options);
const text = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? '';

/** The page's globals that the tests use. */
declare function getComputedStyle(element: unknown): { borderTopColor: string; borderTopStyle: string };
declare const innerHeight: number;
interface Boxed {
  getBoundingClientRect(): { top: number };
}
declare const document: { readonly activeElement: unknown };
const hasFocus = (element: unknown): boolean => element === document.activeElement;

const ready = { kind: 'runtime', ready: true, model: 'unmask-code', summary: 'unmask-code on onnx (cpu)' } as const;
const runs = { kind: 'runs', runs: exampleRuns } as const;
const shown = (contents: PanelRunContents | null = runContents(running)) =>
  ({ kind: 'run', role: 'shown', contents }) as const;
const compared = (contents: PanelRunContents | null = slowerContents(finished), dir = finished.dir) =>
  ({ kind: 'run', role: 'compared', dir, contents }) as const;
const denoised = { kind: 'denoised', result: denoiseResult(), file: 'settings.ts' } as const;

const chart = (page: Page, title: string) =>
  page.locator('.chart', { has: page.getByRole('heading', { name: title, exact: true }) });
const player = (page: Page) => page.locator('.player');
const counter = (page: Page) => text(player(page).locator('.counter'));
const masked = (page: Page) => player(page).locator('.canvas .masked').count();

/** Presses Denoise here and answers the request. */
async function denoiseHere({ page, send }: OpenPanel): Promise<void> {
  await page.getByRole('button', { name: 'Denoise here' }).click();
  await send(denoised);
}

test('curves are drawn, and further steps are added to them', { skip }, async (t) => {
  const { page, send, complaints, requests } = await open(t);
  assert.deepEqual(requests[0], { kind: 'ready', shown: null, compared: [] });
  await send(ready, runs, shown());
  for (const one of await page.locator('.chart').all())
    assert.ok((await colouredPixels(one)) > 100, `nothing is drawn in ${await text(one.locator('h3'))}`);
  const gap = chart(page, 'EUBO − ELBO, nats per token');
  assert.match(await text(gap), /Known up to a constant, so it can be negative/);

  const reward = chart(page, 'Reward');
  await reward.getByText('Numbers').click();
  await reward.locator('tbody tr').last().waitFor();
  assert.equal(await reward.locator('tbody tr').count(), 60);
  await reward.locator('.legend button', { hasText: 'rules' }).click();
  await reward.locator('.plot').focus();
  await page.keyboard.press('Home');
  const [root, before] = [await reward.locator('canvas').elementHandle(), await colouredPixels(reward)];
  await send(nextEvents(running, 61), nextEvents(running, 62));
  assert.equal(await root?.evaluate((canvas: { isConnected: boolean }) => canvas.isConnected), true, 'the same canvas');
  assert.notEqual(await colouredPixels(reward), before);
  assert.deepEqual(await reward.locator('tbody tr').last().locator('th, td').allInnerTexts(), ['62', '0.95', '', '']);
  assert.equal(await reward.locator('tbody tr').count(), 62);
  assert.equal(await reward.locator('.legend button', { hasText: 'rules' }).getAttribute('aria-pressed'), 'false');
  assert.equal(await text(reward.locator('.readout')), 'step 1', 'the selected step stays');
  assert.match(await text(page.locator('.run-head')), /62 of 120 steps/);
  assert.match(await text(page.locator('.runs li').first()), /62 of 120 steps · 3\u202fmin 0\u202fs left/);
  assert.deepEqual(complaints, []);
});

test('a section of a chart that the user selected stays when steps arrive', { skip }, async (t) => {
  const { page, send } = await open(t);
  await send(ready, runs, shown());
  const loss = chart(page, 'Loss');
  await loss.scrollIntoViewIfNeeded();
  const box = await loss.locator('.u-over').boundingBox();
  assert.ok(box);
  const picture = () => loss.locator('canvas').evaluate((canvas: Canvas) => canvas.toDataURL());
  const whole = await picture();
  await page.mouse.move(box.x + 20, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 100, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(5, 5);
  const zoomed = await picture();
  assert.notEqual(zoomed, whole);
  await send(nextEvents(running, 61));
  assert.equal(await picture(), zoomed);
});

test('a run can be compared with another: dashed curves in the same colours', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  await send(ready, runs, shown());
  const reward = chart(page, 'Reward');
  const alone = await colouredPixels(reward);
  await page.getByRole('button', { name: `Compare with ${finished.name}` }).click();
  assert.deepEqual(requests.at(-1), { kind: 'compare-run', dir: finished.dir, compare: true });
  await send(compared());
  assert.ok((await colouredPixels(reward)) > alone);
  const entries = reward.locator('.legend button');
  assert.deepEqual(
    (await entries.allInnerTexts()).map((entry) => entry.replace(/[\d.\s]+$/, '')),
    ['reward', 'rules', 'format', 'reward (compared)', 'rules (compared)', 'format (compared)'],
  );
  const look = (index: number) =>
    entries
      .nth(index)
      .locator('.swatch')
      .evaluate((swatch: never) => {
        const { borderTopColor, borderTopStyle } = getComputedStyle(swatch);
        return [borderTopColor, borderTopStyle];
      });
  const [own, other] = [await look(1), await look(4)];
  assert.equal(own[0], other[0]);
  assert.deepEqual([own[1], other[1]], ['solid', 'dashed']);
  assert.match(await text(page.locator('.comparison')), /Solid lines: .*mixture\. Dashed lines: .*elbo\./);
  await page.getByRole('button', { name: `Stop comparing with ${finished.name}` }).click();
  assert.deepEqual(requests.at(-1), { kind: 'compare-run', dir: finished.dir, compare: false });
  await send(compared(null));
  assert.equal(await entries.count(), 3);
  assert.equal(await page.locator('.comparison').isVisible(), false);
});

test('several runs can be compared, and curves can be smoothed', { skip }, async (t) => {
  const { page, send, requests, complaints } = await open(t);
  await send(ready, runs, shown(), compared());
  await page.getByRole('button', { name: `Compare with ${broken.name}` }).click();
  assert.deepEqual(requests.at(-1), { kind: 'compare-run', dir: broken.dir, compare: true });
  await send(compared(slowerContents(broken), broken.dir));
  const reward = chart(page, 'Reward');
  const entries = reward.locator('.legend button');
  assert.deepEqual(
    (await entries.allInnerTexts())
      .map((entry) => entry.replace(/(?<!run )[\d.\s]+$/, ''))
      .filter((entry) => /^reward/.test(entry)),
    ['reward', 'reward (run 2)', 'reward (run 3)'],
  );
  assert.match(await text(page.locator('.comparison')), /Solid lines: .*\. Run 2: .*elbo\. Run 3: /);
  assert.equal(await page.locator('.runs li.compared').count(), 2);

  const picture = () => reward.locator('canvas').evaluate((canvas: Canvas) => canvas.toDataURL());
  const rough = await picture();
  await page.getByLabel('Smoothing').selectOption('10 steps');
  assert.match(await text(reward), /Bold line: running mean over 10 steps/);
  assert.notEqual(await picture(), rough);
  const screenshots = process.env.UNMASK_TEST_SCREENSHOTS;
  if (screenshots) await page.screenshot({ path: path.join(screenshots, 'panel-comparison.png'), fullPage: true });
  await page.getByLabel('Smoothing').selectOption('off');
  assert.equal(await picture(), rough);
  await send(compared(null));
  assert.equal(await entries.count(), 6);
  assert.deepEqual(complaints, []);
});

test('runs are listed with their available actions', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  await send(ready, runs);
  const rows = page.locator('.runs li');
  assert.equal(await rows.count(), 3);
  assert.match(await text(rows.nth(0)), /mixturetune · sudoku4x4 · spg-mixturerunning60 of 120 steps.*12\.4\u202fMB/);
  assert.match(await text(rows.nth(2)), /failed.*The loss is not a finite number/);
  const names = async (row: Locator) =>
    (await row.locator('.actions').getByRole('button').all()).length === 0
      ? []
      : Promise.all(
          (await row.locator('.actions').getByRole('button').all()).map((one) => one.getAttribute('aria-label')),
        );
  assert.deepEqual(await names(rows.nth(0)), [`Pause ${running.name}`, `Stop and save ${running.name}`]);
  assert.deepEqual(await names(rows.nth(1)), [`Delete ${finished.name}`]);
  assert.deepEqual(await names(rows.nth(2)), [`Resume ${broken.name}`, `Delete ${broken.name}`]);
  for (const [name, expected] of [
    [`Pause ${running.name}`, { kind: 'control', dir: running.dir, want: 'pause' }],
    [`Stop and save ${running.name}`, { kind: 'control', dir: running.dir, want: 'stop' }],
    [`Resume ${broken.name}`, { kind: 'control', dir: broken.dir, want: 'run' }],
    [`Delete ${finished.name}`, { kind: 'delete-run', dir: finished.dir }],
  ] as const) {
    await page.getByRole('button', { name }).click();
    assert.deepEqual(requests.at(-1), expected);
  }
  await rows.nth(1).locator('.open').click();
  assert.deepEqual(requests.at(-1), { kind: 'show-run', dir: finished.dir });
  assert.equal(await rows.nth(1).locator('.open').getAttribute('aria-current'), 'true');

  // The focus stays if its run changes, and moves if its run disappears.
  await page.getByRole('button', { name: `Pause ${running.name}` }).focus();
  await send({ kind: 'runs', runs: [{ ...running, step: 61 }, broken] });
  assert.equal(await rows.count(), 2);
  assert.match(await text(rows.nth(0)), /61 of 120/);
  assert.equal(await page.evaluate('document.activeElement.label'), `Pause ${running.name}`);
  await send({ kind: 'runs', runs: [{ ...running, step: 61, state: 'paused' }, broken] });
  assert.equal(await page.evaluate('document.activeElement.label'), `Resume ${running.name}`);
});

test('evaluations before and after claim no more than their intervals allow', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  const contents = runContents(running);
  const [first] = contents.events.filter((event) => 'evaluation' in event);
  await send(ready, runs, shown(contents));
  const section = page.locator('#evaluations');
  assert.deepEqual(await section.locator('thead th').allInnerTexts(), ['Metric', 'After 0 steps', 'After 60 steps']);
  assert.match(
    (await section.locator('.verdicts li').allInnerTexts()).join(' '),
    /Cell accuracy rose from 86\.0\s%.*\. The confidence intervals do not overlap\./,
  );
  const overlapping = { low: 0.5, value: 0.65, high: 0.9 };
  const last = {
    step: 70,
    time: 1,
    evaluation: { ...(first as EvaluationEvent).evaluation, metrics: { solved: overlapping } },
  };
  await send({ ...nextEvents(running, 70), events: [last] });
  assert.match(
    await text(section.locator('.verdicts')),
    /Solved went from 60\.0\s% to 65\.0\s%\. The confidence intervals overlap, so/,
  );
  await send(shown({ ...contents, events: [first as EvaluationEvent] }));
  assert.match(await text(section), /This is the first evaluation/);
  await send(shown({ ...contents, events: [] }));
  await section.getByRole('button', { name: 'Run SPG Eval' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'command', command: 'runSpgEval' });
});

test('samples of every step are paged, and one is shown as it was denoised', { skip }, async (t) => {
  const panel = await open(t);
  const { page, send, requests, asked } = panel;
  await send(ready, runs, shown());
  assert.deepEqual(asked('show-samples').at(-1), { kind: 'show-samples', dir: running.dir, step: 60, offset: 0 });
  await send(samplesPage(running.dir, 60, 0, 48));
  const samples = page.locator('#samples');
  assert.equal(await samples.locator('article').count(), 20);
  assert.equal(await text(samples.locator('.counter')), '1 to 20 of 48');
  await samples.getByRole('button', { name: 'Next ›' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'show-samples', dir: running.dir, step: 60, offset: 20 });
  // A page that was requested earlier and is no longer wanted is not shown.
  await send(samplesPage(running.dir, 1, 0, 8), samplesPage(running.dir, 60, 20, 48));
  assert.equal(await text(samples.locator('.counter')), '21 to 40 of 48');
  assert.match(await text(samples.locator('article').first()), /^Sample 21reward0rules0advantage−0\.375Prompt3014/);
  await samples.getByRole('combobox').selectOption('20');
  assert.deepEqual(requests.at(-1), { kind: 'show-samples', dir: running.dir, step: 20, offset: 0 });
  await send(samplesPage(running.dir, 20, 0, 8));
  await samples.getByRole('button', { name: '‹ Previous' }).click();
  await send(samplesPage(running.dir, 1, 0, 8));
  assert.equal(await samples.getByRole('button', { name: '‹ Previous' }).isDisabled(), true);

  await samples.locator('article').nth(3).getByRole('button', { name: 'Show denoising' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'denoise-sample', dir: running.dir, step: 1, index: 3 });
  const denoising = denoise('Step 1, sample 4', '3014002020004130:', [...'3214412321434132'], 1);
  await send({ kind: 'sample-denoising', step: 1, index: 3, denoising });
  assert.equal(await text(player(page).locator('h3')), 'Step 1, sample 4');
  assert.equal(await counter(page), 'Step 16 of 16');
  assert.equal(await player(page).evaluate(hasFocus), true);
  await page.getByRole('button', { name: 'Copy' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'copy', text: '3214412331432134' });
});

test('a denoising trace can be played, and scrubbed with mouse and keyboard', { skip, timeout: 60_000 }, async (t) => {
  const panel = await open(t);
  const { page, complaints } = panel;
  await denoiseHereReady(panel);
  const steps = denoiseResult().alternatives[0]!.denoising.frames.length;
  assert.equal(await counter(page), `Step ${steps} of ${steps}`);
  await player(page).focus();
  await page.keyboard.press('Home');
  const places = await player(page).locator('.token[role=option]').count();
  assert.equal(await masked(page), places);
  await page.keyboard.press('ArrowRight');
  assert.equal(await counter(page), `Step 1 of ${steps}`);
  const slider = player(page).getByRole('slider');
  const box = await slider.boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  assert.equal(await counter(page), `Step ${steps / 2} of ${steps}`);
  await slider.focus();
  await page.keyboard.press('End');
  assert.equal(await masked(page), 0);
  await player(page).getByRole('button', { name: 'Play' }).click();
  while ((await masked(page)) >= places / 2) await delay(20);
  await player(page).getByRole('button', { name: 'Pause' }).click();
  const stopped = await counter(page);
  await delay(900);
  assert.equal(await counter(page), stopped);
  assert.deepEqual(complaints, []);
});

async function denoiseHereReady(panel: OpenPanel): Promise<void> {
  await panel.send(ready);
  await denoiseHere(panel);
}

test('alternative tokens are shown on hover and on focus', { skip }, async (t) => {
  const panel = await open(t);
  const { page } = panel;
  await denoiseHereReady(panel);
  const tokens = player(page).locator('.token[role=option]');
  const tooltip = player(page).getByRole('tooltip');
  assert.equal(await tooltip.isVisible(), false);
  await tokens.nth(1).hover();
  assert.match(await text(tooltip), /^“␣readFile”revealed at step \d+, confidence \d\.\d\dAlternatives:“␣fetch” \d/);
  assert.deepEqual(await tooltip.locator('li code').allInnerTexts(), ['“␣fetch”', '“↵”', 'the end']);
  await tooltip.hover();
  await delay(300);
  assert.equal(await tooltip.isVisible(), true, 'the pointer can move to the tooltip');
  await page.mouse.move(2, 2);
  await tooltip.waitFor({ state: 'hidden' });

  // The canvas is a single tab stop; the arrow keys move between tokens.
  await tokens.nth(0).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await tokens.nth(1).evaluate(hasFocus), true);
  assert.equal(await tooltip.isVisible(), true);
  assert.equal(await tokens.nth(1).getAttribute('aria-describedby'), await tooltip.getAttribute('id'));
  assert.match((await tokens.nth(1).getAttribute('aria-label')) ?? '', /^␣readFile: revealed at step \d+, confidence/);
  await page.keyboard.press('ArrowDown');
  const below = await page.evaluate('document.activeElement.offsetTop');
  assert.ok(Number(below) > Number(await tokens.nth(1).evaluate((token: { offsetTop: number }) => token.offsetTop)));
  await page.keyboard.press('Escape');
  assert.equal(await tooltip.isVisible(), false);
  await page.keyboard.press('End');
  assert.match(await text(tooltip), /^Empty, after the end/);
  assert.equal(await player(page).locator('.token.empty').count(), 12);
  assert.equal(await player(page).locator('.token[tabindex="0"]').count(), 1);

  // The focused token stays focused when the canvas changes.
  await tokens.nth(1).focus();
  await page.evaluate(`(() => {
    const slider = document.querySelector('.player input[type=range]');
    slider.value = 0;
    slider.dispatchEvent(new Event('input'));
  })()`);
  assert.equal(await text(tooltip), 'Not revealed yet.');
});

test('a completion is generated at the cursor: steps, alternatives, insert, copy', { skip }, async (t) => {
  const panel = await open(t);
  const { page, send, requests, asked } = panel;
  await send(ready);
  await page.getByRole('combobox', { name: 'Number of alternatives' }).selectOption('2');
  await page.getByRole('button', { name: 'Denoise here' }).click();
  const [first] = asked('denoise-here');
  assert.ok(first && first.alternatives === 2 && Number.isInteger(first.seed) && first.seed >= 0);
  assert.equal(await page.getByRole('button', { name: 'Denoise here' }).getAttribute('disabled'), '');
  const [one, two] = denoised.result.alternatives;
  await send(
    { kind: 'denoise-frame', alternative: 0, frame: one!.denoising.frames[0]! },
    { kind: 'denoise-frame', alternative: 1, frame: two!.denoising.frames[0]! },
    { kind: 'denoise-frame', alternative: 0, frame: one!.denoising.frames[1]! },
  );
  assert.equal(await counter(page), 'Step 2 of 2');
  assert.equal(await page.getByRole('button', { name: 'Insert at the cursor' }).isVisible(), false);
  await send(denoised);
  await page.getByRole('button', { name: 'Insert at the cursor' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'insert', text: codeText });
  const choice = page.getByRole('group', { name: 'Alternatives of this completion' });
  assert.deepEqual(await choice.getByRole('button').allInnerTexts(), ['1 · 93.0\u202f%', '2 · 41.0\u202f%']);
  await choice.getByRole('button').nth(1).click();
  assert.match(await text(player(page).locator('h3')), /alternative 2/);
  await page.getByRole('button', { name: 'Copy' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'copy', text: "'';" });

  await page.getByRole('button', { name: 'Denoise here' }).click();
  assert.notEqual(asked('denoise-here')[1]?.seed, first.seed, 'a new seed each time');
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'cancel-denoise' });
  await send({ kind: 'failed', request: 'denoise-here', reason: 'The denoising was cancelled.' });
  assert.equal(await text(page.locator('.status')), 'Cancelled.');
  assert.equal(await page.locator('.notices .notice').count(), 0);

  await page.getByRole('button', { name: 'Denoise here' }).click();
  await send({ kind: 'failed', request: 'denoise-here', reason: 'No editor is open; open a file and try again.' });
  assert.match(await text(page.getByRole('alert')), /No editor is open/);
  await page.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await page.locator('.notices .notice').count(), 0);
});

test('the running completion is followed until the user scrubs', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  await send(ready);
  const frames = liveFrames(1);
  const update = (frame: (typeof frames)[number]) => ({ kind: 'completion-frame', frame }) as const;
  await send(update(frames[0]!), update(frames[1]!));
  assert.equal(await counter(page), 'Step 2 of 2');
  assert.equal(await text(player(page).locator('h3')), 'settings.ts, line 5');
  await send(...frames.slice(2).map(update));
  assert.equal(await counter(page), `Step ${frames.length} of ${frames.length}`);
  await page.getByRole('button', { name: 'Insert at the cursor' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'insert', text: codeText });
  await player(page).focus();
  await page.keyboard.press('ArrowLeft');
  const [later] = liveFrames(2);
  await send(update({ ...later!, line: 9 }));
  assert.equal(await counter(page), `Step ${frames.length - 1} of ${frames.length}`, 'the shown completion stays');
  await page.getByRole('button', { name: 'Show the newest completion' }).click();
  assert.equal(await text(player(page).locator('h3')), 'settings.ts, line 10');

  // Other things that the user looks at stay as well.
  await denoiseHere({ page, send } as OpenPanel);
  await send(...liveFrames(3).slice(0, 2).map(update));
  assert.match(await text(player(page).locator('h3')), /alternative 1/);
  await page.getByRole('button', { name: 'Live' }).click();
  assert.equal(await counter(page), 'Step 2 of 2');
});

test('warnings are shown at the top with their cause', { skip }, async (t) => {
  const { page, send } = await open(t);
  const warning = {
    kind: 'no-variance',
    step: 41,
    text: 'Half of all groups have equal rewards, so little is learnt; raise the temperature.',
  } as const;
  await send(ready, runs, shown(runContents(running, { warnings: [warning] })));
  const warnings = page.getByRole('status', { name: 'Warnings' });
  assert.match(await text(warnings), /raise the temperature\. \(step 41\)/);
  const [above, below] = [await warnings.boundingBox(), await page.locator('#evaluations').boundingBox()];
  assert.ok(above && below && above.y + above.height <= below.y);
  await send(nextEvents(running, 61));
  assert.equal(await text(warnings), '');
});

test('an empty view says what to do next', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  await send(
    { kind: 'runtime', ready: false, model: null, summary: 'There is no model unmask-code; select one.' },
    { kind: 'runs', runs: [] },
  );
  for (const [name, command] of [
    ['Tune on a task', 'tuneOnTask'],
    ['Run SPG Eval', 'runSpgEval'],
    ['Select model', 'selectModel'],
    ['Restart runtime', 'restartRuntime'],
    ['Show log', 'showLog'],
  ] as const) {
    await page.getByRole('button', { name }).click();
    assert.deepEqual(requests.at(-1), { kind: 'command', command });
  }
  assert.match(await text(page.locator('.denoise-view')), /There is no model unmask-code; select one\./);
  assert.match(await text(page.locator('.denoise-view')), /There is nothing to show yet/);
  assert.match(await text(page.locator('.run-view')), /Select a run/);
  assert.equal(await page.getByRole('button', { name: 'Denoise here' }).getAttribute('disabled'), '');
  await send(ready, runs, shown(runContents(running, { events: [], sampleSteps: [] })));
  const said = await text(page.locator('.run-view'));
  for (const sentence of [
    /Training curves appear after the first step/,
    /Samples appear after the first step/,
    /This run has no evaluation yet/,
  ])
    assert.match(said, sentence);
});

test('a reload restores the view', { skip }, async (t) => {
  const panel = await open(t);
  const { page, send, requests, asked } = panel;
  await send(ready, runs, shown(), compared(), samplesPage(running.dir, 60, 0, 48));
  await page.locator('#curves > summary').click();
  await page.locator('#samples').getByRole('button', { name: 'Next ›' }).click();
  await denoiseHere(panel);
  await page.getByRole('group', { name: 'Alternatives of this completion' }).getByRole('button').nth(1).click();
  await player(page).focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  requests.length = 0;
  await page.reload();
  assert.deepEqual(asked('ready'), [{ kind: 'ready', shown: running.dir, compared: [finished.dir] }]);
  assert.match(await text(player(page).locator('h3')), /alternative 2/);
  assert.match(await counter(page), /^Step 1 of \d+$/);
  await send(ready, runs, shown(), compared());
  assert.deepEqual(asked('show-samples').at(-1), { kind: 'show-samples', dir: running.dir, step: 60, offset: 20 });
  assert.equal(await page.locator('#curves').getAttribute('open'), null);
  assert.equal(await page.locator('#evaluations').getAttribute('open'), '');
  assert.equal(await page.locator('.runs li.shown').count(), 1);

  // A sample is read again from its run.
  await send(samplesPage(running.dir, 60, 20, 48));
  await page.locator('#samples article').first().getByRole('button', { name: 'Show denoising' }).click();
  const update = {
    kind: 'sample-denoising',
    step: 60,
    index: 20,
    denoising: codeDenoising('Step 60, sample 21'),
  } as const;
  await send(update);
  await page.keyboard.press('ArrowLeft');
  const at = await counter(page);
  requests.length = 0;
  await page.reload();
  assert.deepEqual(asked('denoise-sample'), [{ kind: 'denoise-sample', dir: running.dir, step: 60, index: 20 }]);
  await send(update);
  assert.equal(await counter(page), at);
});

test('Space plays with any focus, unless a control uses it', { skip }, async (t) => {
  const panel = await open(t);
  const { page, send } = panel;
  await send(ready, runs, shown());
  await denoiseHere(panel);
  const playing = () => player(page).locator('.play').textContent();
  assert.match((await playing()) ?? '', /Play/);
  const places: readonly (readonly [string, () => Promise<void>])[] = [
    // The button has the focus when it is pressed, and the player after that.
    ['after Denoise here', async () => {}],
    ['nowhere', () => page.evaluate('document.activeElement.blur()')],
    ['a token', () => player(page).locator('.token').first().focus()],
    ['the slider', () => player(page).locator('input[type=range]').focus()],
    ['the prompt', () => player(page).locator('.prompt pre').focus()],
    ['a curve', () => chart(page, 'Reward').locator('.plot').focus()],
    ['the pressed alternative', () => page.locator('.choice [aria-pressed="true"]').first().focus()],
  ];
  for (const [name, focus] of places) {
    await focus();
    await page.keyboard.press('Space');
    assert.match((await playing()) ?? '', /Pause/, name);
    await page.keyboard.press('Space');
    assert.match((await playing()) ?? '', /Play/, name);
  }
  await page.locator('#curves > summary').focus();
  await page.keyboard.press('Space');
  assert.equal(await page.locator('#curves').getAttribute('open'), null, 'a heading is collapsed by its own key');
  assert.match((await playing()) ?? '', /Play/);
});

test('the page scrolls to what was asked for', { skip }, async (t) => {
  const panel = await open(t, { viewport: { width: 500, height: 240 } });
  const { page, send } = panel;
  await send(ready, runs);
  const isInView = (locator: Locator) =>
    locator.evaluate(
      (element: Boxed) => Math.abs(element.getBoundingClientRect().top - innerHeight / 2) <= innerHeight / 2 + 1,
    );
  await send(shown(), { kind: 'reveal-run' });
  assert.ok(await isInView(page.locator('.run-head h2')));
  await page.evaluate('scrollTo(0, 0)');
  await page.getByRole('button', { name: 'Denoise here' }).click();
  const [one] = denoised.result.alternatives;
  await send({ kind: 'denoise-frame', alternative: 0, frame: one!.denoising.frames[0]! });
  assert.ok(await player(page).evaluate((element: Boxed) => element.getBoundingClientRect().top < innerHeight));
  await send(denoised);
  assert.ok(await player(page).evaluate(hasFocus));
});

test('another page continues with what was shown, also with the completion of an editor', { skip }, async (t) => {
  const { page, send, asked } = await open(t);
  await send(ready, runs, shown());
  const frames = liveFrames(1);
  await send(...frames.map((frame) => ({ kind: 'completion-frame', frame }) as const));
  await player(page).focus();
  await page.keyboard.press('ArrowLeft');
  await send({ kind: 'hand-over' });
  const { view } = asked('view')[0]!;
  const other = await open(t, { view });
  assert.deepEqual(other.requests[0], { kind: 'ready', shown: running.dir, compared: [] });
  assert.equal(await text(player(other.page).locator('h3')), 'settings.ts, line 5');
  assert.equal(await counter(other.page), `Step ${frames.length - 1} of ${frames.length}`);
  await other.page.getByRole('button', { name: 'Insert at the cursor' }).click();
  assert.deepEqual(other.requests.at(-1), { kind: 'insert', text: codeText });
  assert.deepEqual(other.complaints, []);
});

test('the last suggestion is explained: its candidates, and where they were copied from', { skip }, async (t) => {
  const { page, send, requests } = await open(t);
  await send(ready);
  const suggestion = page.locator('#suggestion');
  assert.match(await text(suggestion), /There has been no suggestion yet/);
  await send({ kind: 'suggestion', trace });
  assert.match(await text(suggestion), /a\.ts, line 4: Shown: 1 alternative\./);
  const candidates = suggestion.locator('li');
  assert.deepEqual(await candidates.locator('pre').allTextContents(), ['sum(prices);', 'sum(a);']);
  assert.match(await text(candidates.first()), /copied from src\/x\.ts:120 \(23 characters matched, 4 places\)/);
  assert.match(await text(candidates.nth(1)), /mean confidence 0\.41, rejected: unlikely to be right/);
  await suggestion.getByRole('button', { name: 'Explain' }).click();
  assert.deepEqual(requests.at(-1), { kind: 'command', command: 'explainLastCompletion' });
});

test('hostile strings are displayed as text everywhere', { skip }, async (t) => {
  const { page, send, complaints } = await open(t);
  const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(2)><b>\u2028 &lt; "\'';
  // Line separators are shown as escapes.
  const escaped = hostile.replace('\u2028', '\\u2028');
  const run = { ...running, name: hostile, error: hostile, task: hostile, objective: hostile };
  const contents = runContents(run, { warnings: [{ kind: 'failed', text: hostile, step: 1 }] });
  const [record] = samplesPage(run.dir, 60, 0, 1).records;
  await send(
    { kind: 'runtime', ready: false, model: hostile, summary: hostile },
    { kind: 'runs', runs: [run] },
    shown({
      ...contents,
      events: contents.events.map((event) => ('reward' in event ? { ...event, [hostile]: 1 } : event)),
    }),
    {
      ...samplesPage(run.dir, 60, 0, 1),
      records: [{ ...record!, prompt: hostile, completion: hostile, rewards: { [hostile]: 1, total: 1 } }],
    },
    { kind: 'failed', request: 'insert', reason: hostile },
    { kind: 'completion-frame', frame: { ...liveFrames(1)[0]!, uri: `file:///${hostile}`, prefixTail: hostile } },
  );
  assert.deepEqual(await page.locator('.sample pre').allTextContents(), [escaped, escaped]);
  assert.equal(await page.locator('.runs .name').textContent(), escaped);
  assert.equal(await page.locator('main').locator('img, b, iframe, script').count(), 0);
  assert.deepEqual(complaints, []);
});

/** Everything that the panel can show. */
async function fill(panel: OpenPanel): Promise<void> {
  const warning = {
    kind: 'no-variance',
    step: 41,
    text: 'Half of all groups have rewards that are all equal, so little is learnt; raise the temperature or take harder problems.',
  } as const;
  const contents = runContents(running, { warnings: [warning] });
  await panel.send(ready, runs, shown(contents), compared(), samplesPage(running.dir, 60, 0, 48));
  await panel.send({
    kind: 'failed',
    request: 'control',
    reason: 'The run could not be paused, for its folder is read-only.',
  });
  await denoiseHere(panel);
  await panel.page.locator('.player').focus();
  await panel.page.keyboard.press('ArrowLeft');
  await panel.page.locator('.player .token:not(.masked)').nth(9).focus();
}

/** Saves screenshots if a folder is named for them. */
async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.UNMASK_TEST_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `panel-${name}.png`) });
}

for (const theme of Object.keys(vscodeThemes) as ThemeName[])
  test(`text and curves have sufficient contrast in the theme ${theme}`, { skip }, async (t) => {
    const panel = await open(t, { theme });
    const { page, complaints } = panel;
    await fill(panel);
    await picture(page, theme);
    const [contrast, where] = await worstContrast(page, 'main');
    assert.ok(contrast >= 4.5, `contrast ${contrast.toFixed(2)} in ${where}`);
    const faint = await page.evaluate(`[...Array(6).keys()].map((index) => {
      const probe = document.body.appendChild(document.createElement('i'));
      probe.style.setProperty('color', 'var(--series-' + index + ')');
      probe.textContent = index;
      return probe;
    }).length`);
    assert.equal(faint, 6);
    const [line, which] = await worstContrast(page, 'body');
    assert.ok(line >= 3, `contrast ${line.toFixed(2)} of the curve's colour ${which}`);
    await page.locator('#curves').scrollIntoViewIfNeeded();
    await picture(page, `${theme}-curves`);
    assert.deepEqual(complaints, []);
  });

test('charts follow the theme', { skip }, async (t) => {
  const { page, send, setTheme } = await open(t, { theme: 'dark' });
  await send(ready, runs, shown());
  const loss = chart(page, 'Loss').locator('canvas');
  const painted = () => loss.evaluate((canvas: Canvas) => canvas.toDataURL());
  const dark = await painted();
  await setTheme('light');
  await delay(100);
  assert.notEqual(await painted(), dark);
});

test('everything fits into 300 pixels, has a name and can be reached', { skip }, async (t) => {
  const panel = await open(t, { viewport: { width: 300, height: 900 } });
  const { page } = panel;
  await fill(panel);
  await picture(page, 'narrow');
  const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(wide, 0);
  const nameless =
    await page.evaluate(`[...document.querySelectorAll('button, select, input, vscode-button, vscode-toolbar-button, [role]')]
    .filter((element) => !(element.getAttribute('aria-label') || element.getAttribute('aria-labelledby') || element.label || element.textContent.trim() || ['alert', 'tooltip', 'status'].includes(element.role)))
    .map((element) => element.outerHTML.slice(0, 80))`);
  assert.deepEqual(nameless, []);
  await page.locator('#samples').scrollIntoViewIfNeeded();
  await picture(page, 'narrow-samples');
});

test('with many steps, the running mean stands out from the noise', { skip }, async (t) => {
  const { page, send } = await open(t);
  const contents = runContents(running);
  const events = Array.from({ length: 400 }, (_, at) => ({ step: at + 1, time: at, loss: 5 - at / 200 + (at % 2) }));
  await send(ready, runs, shown({ ...contents, events }));
  const loss = chart(page, 'Loss');
  assert.equal(await loss.locator('.note').isVisible(), false);
  await send({ ...nextEvents(running, 401), events: [{ step: 401, time: 401, loss: 4 }] });
  assert.equal(await text(loss.locator('.note')), 'Bold line: running mean over 8 steps.');
  await picture(page, 'many-steps');
  assert.ok((await colouredPixels(loss)) > 100);
});
