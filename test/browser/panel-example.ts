import type { RunEvent } from '../../src/protocol/events.ts';
import type { PanelRun, PanelRunContents, PanelUpdate } from '../../src/protocol/panel.ts';
import type { Denoising } from '../../src/protocol/report.ts';
import type { CompletionFrame, CompletionTrace, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { denoise, exampleReport } from './example.ts';

const home = '/home/ada/.local/share/unmask/runs';

/** A run in the panel's list. */
export function panelRun(name: string, changes: Partial<PanelRun> = {}): PanelRun {
  return {
    run: name,
    name,
    dir: `${home}/${name}`,
    state: 'finished',
    step: 60,
    steps: 60,
    eta: null,
    kind: 'tune',
    task: 'sudoku4x4',
    model: 'unmask-puzzles',
    objective: 'spg-mixture',
    device: { engine: 'onnx', device: 'cpu' },
    memory: null,
    createdAt: '2026-03-04T05:06:07.000Z',
    bytes: 12_400_000,
    ...changes,
  };
}

export const running = panelRun('20260304-050607-123-sudoku4x4-spg-mixture', {
  state: 'running',
  step: 60,
  steps: 120,
  eta: 185,
});
export const finished = panelRun('20260303-201500-456-sudoku4x4-spg-elbo', { objective: 'spg-elbo' });
export const broken = panelRun('20260302-101010-789-countdown-spg-mixture', {
  state: 'failed',
  task: 'countdown',
  step: 17,
  error: 'The loss is not a finite number at step 17, so the run was stopped.',
});
export const exampleRuns = [running, finished, broken];

/** The contents of a run: the report's example, with its events as in the log. */
export function runContents(run: PanelRun, changes: Partial<PanelRunContents> = {}): PanelRunContents {
  const { steps, evaluations, settings } = exampleReport();
  return {
    run,
    configuration: {
      schema: 1,
      kind: 'tune',
      name: run.name,
      task: run.task,
      model: 'unmask-puzzles',
      objective: run.objective,
      seed: 7,
      steps: run.steps,
      settings,
      device: { engine: 'onnx', device: 'cpu' },
      versions: { unmask: '0.1.0' },
      createdAt: '2026-03-04T05:06:07.000Z',
    },
    events: [...evaluations, ...steps],
    warnings: [],
    sampleSteps: [1, 20, 60],
    ...changes,
  };
}

/** A run that learnt less and has only every second step. */
export function slowerContents(run: PanelRun): PanelRunContents {
  const contents = runContents(run);
  const events = contents.events.map(
    (event): RunEvent => ('reward' in event ? { ...event, reward: Number(event.reward) - 0.15 } : event),
  );
  return { ...contents, events: events.filter(({ step }) => step % 2 === 0) };
}

/** The step after the last one of the example. */
export function nextEvents(run: PanelRun, step: number): Extract<PanelUpdate, { kind: 'events' }> {
  return {
    kind: 'events',
    dir: run.dir,
    run: { ...run, step, eta: 180 },
    events: [{ step, time: 1_790_000_000 + 4 * step, reward: 0.95, loss: 0.012, reward_std: 0.1, elbo_positive: -0.2 }],
    warnings: [],
    sampleSteps: [1, 20, 60, step],
  };
}

const prompt = `import { readFile } from 'node:fs/promises';

/** The settings of a workspace, or those that everybody has. */
export async function readSettings(folder: string): Promise<Settings> {
  const text = `;
const code =
  "await readFile(path.join(folder, 'settings.json'), 'utf8')\n    .catch(() => '{}');\n  return JSON.parse(text) as Settings;\n}";

/** A completion with alternative tokens, and empty positions after its end. */
export function codeDenoising(title: string, empty = 12, perStep = 3): Denoising {
  const words = code.match(/\n|\s*\w+|\s*[^\w\s]+/g) ?? [];
  const { frames, ...about } = denoise(title, prompt, words, perStep);
  const end = 4;
  const widened = frames.map((frame): Frame => {
    const done = frame.step >= end;
    const rest = <T>(value: T): (T | null)[] => Array.from({ length: empty }, () => (done ? value : null));
    return {
      step: frame.step,
      tokens: [...frame.tokens, ...rest('')],
      revealedAt: [...frame.revealedAt, ...rest(end)],
      confidence: [...frame.confidence, ...rest(0.97)],
      runnersUp: [
        ...frame.tokens.map((token, place) =>
          token === null
            ? null
            : [
                { token: ' fetch', probability: 0.4 * (1 - (frame.confidence[place] ?? 0)) },
                { token: '\n', probability: 0.2 * (1 - (frame.confidence[place] ?? 0)) },
                { token: '', probability: 0.1 * (1 - (frame.confidence[place] ?? 0)) },
              ],
        ),
        ...rest(null),
      ],
    };
  });
  return { ...about, outcome: null, frames: widened };
}

export const codeText = code;

/** Two alternatives for one position. */
export function denoiseResult(): DenoiseResult {
  return {
    alternatives: [
      { text: code, confidence: 0.93, denoising: codeDenoising('settings.ts, alternative 1') },
      { text: "'';", confidence: 0.41, denoising: codeDenoising('settings.ts, alternative 2', 20, 5) },
    ],
    best: 0,
    forwards: 9,
    milliseconds: 840,
  };
}

/** The steps of a running completion. */
export function liveFrames(request: number): CompletionFrame[] {
  const { frames } = codeDenoising(`live ${request}`);
  return frames.map((frame, index) => ({
    request,
    uri: 'file:///work/src/settings.ts',
    line: 4,
    character: 15,
    prefixTail: prompt,
    frame,
    done: index === frames.length - 1,
  }));
}

/** A page of samples. */
export function samplesPage(dir: string, step: number, offset: number, total: number) {
  const count = Math.min(20, total - offset);
  const records = Array.from({ length: count }, (_, index) => ({
    prompt: '3014002020004130:',
    completion: `32144123${(offset + index) % 4}1432134`,
    rewards: { rules: ((offset + index) % 4) / 4, total: ((offset + index) % 4) / 4 },
    advantage: ((offset + index) % 4) / 4 - 0.375,
  }));
  return { kind: 'samples', dir, step, offset, total, records } as const;
}

/** The decision path of a completion of which one candidate was copied. */
export const trace: CompletionTrace = {
  id: 3,
  time: '2026-11-30T12:00:00.000Z',
  uri: 'file:///work/src/a.ts',
  line: 3,
  character: 14,
  languageId: 'typescript',
  trigger: 'automatic',
  outcome: 'shown',
  reason: 'Shown: 1 alternative.',
  path: [],
  source: 'copies',
  multiline: false,
  alternatives: [
    {
      text: 'sum(prices);',
      confidence: null,
      probability: 0.83,
      discardedBy: null,
      copiedFrom: { name: 'src/x.ts', line: 120, matched: 23, count: 4 },
    },
    { text: 'sum(a);', confidence: 0.41, probability: 0.1, discardedBy: 'unlikely to be right' },
  ],
  model: null,
  contextTokens: null,
  forwards: null,
  tokensPerForward: null,
  milliseconds: {},
};
