import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BenchDocument } from '../../bench/bench.ts';
import {
  bundledScenario,
  gpuScenarios,
  type Scenario,
  shownSeconds,
  simulatedWorkers,
} from '../../bench/scaling/scenarios.ts';
import { limitOf, secondsPerStep } from '../../bench/scaling/simulate.ts';
import type { WorkerSpeed } from '../../bench/worker-rollouts.ts';

const measured = path.join(import.meta.dirname, '..', '..', 'docs', 'results', 'scaling.json');

/** docs/results/scaling.md, from the document of `unmask bench` in scaling.json and from simulations that begin with it. */
export async function scalingPage(): Promise<string> {
  const { machine, workers = [] } = JSON.parse(await readFile(measured, 'utf8')) as BenchDocument;
  const alone = workers.find((run) => run.workers === 0);
  if (alone === undefined) throw new Error(`${measured} has no run without workers; measure workers:none too.`);
  return [
    '# Runs with workers',
    '',
    'This page is generated: `npm run docs` makes it from `scaling.json`. To measure again (`redis-server` must be on PATH):',
    '',
    '```sh',
    'npx unmask bench --only workers:none,workers:1,workers:2,workers:4 --engine onnx --device cpu --json > docs/results/scaling.json',
    'npm run docs',
    '```',
    '',
    '## Measured on one machine',
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory} GiB, Node ${machine.node}, ONNX Runtime ${machine.onnxruntime ?? '-'}; ${machine.engine} on ${machine.device}. ${disturbance(workers)}`,
    '',
    ...measuredTable(workers, alone),
    '',
    ...limits(workers),
    '',
    '## Simulated with 2 to 256 workers',
    '',
    ...aboutSimulation,
    '',
    ...[bundledScenario(alone), ...gpuScenarios].flatMap(simulatedSection),
  ].join('\n');
}

/** How much the machine was disturbed: the update is the same work in all rows, because workers have no part in it. */
function disturbance(workers: readonly WorkerSpeed[]): string {
  const updates = workers.map(({ seconds }) => seconds.update);
  const [fast, slow] = [Math.min(...updates), Math.max(...updates)];
  return `The update is the same work in every row, and took ${shownSeconds(fast)} to ${shownSeconds(slow)}, so ratios are exact to a factor of ${(slow / fast).toFixed(2)}.`;
}

function measuredTable(workers: readonly WorkerSpeed[], alone: WorkerSpeed): string[] {
  return [
    '| workers | rollouts a second | slowest and fastest step | ratio | trainer waits | rollouts of a step | rewards | update |',
    '|---|---|---|---|---|---|---|---|',
    ...workers.map((run) => {
      const { rollout, reward, update } = run.seconds;
      return row(
        run.workers === 0 ? 'none' : `${run.workers}`,
        run.rollouts_per_second.toFixed(1),
        `${run.slowest.toFixed(1)} and ${run.fastest.toFixed(1)}`,
        (run.rollouts_per_second / alone.rollouts_per_second).toFixed(2),
        `${(100 * run.waiting_share).toFixed(0)} %`,
        ...[rollout, reward, update].map(shownSeconds),
      );
    }),
  ];
}

function limits(workers: readonly WorkerSpeed[]): string[] {
  const [first] = workers;
  const { groups, group_size, steps } = first as WorkerSpeed;
  const about = `Medians over runs that alternate: ${steps} steps of ${groups} groups of ${group_size} completions; the first step of each run is not counted. The trainer computes groups too.`;
  if (workers.some((run) => run.workers > 0 && !run.held_apart))
    return [
      `${about} Trainer and workers share all processors, because there are fewer than two for each.`,
      'So these rows cannot show that workers make a run faster: the trainer alone keeps all processors busy already. They show what',
      'sharing costs, that is the queue, the policies, the results, and processes that compete for processors.',
    ];
  return [`${about} Trainer and workers have processors of their own.`];
}

const aboutSimulation = [
  'The simulation (`bench/scaling/`) lets the policy travel to each worker over one link, workers generate one group after the other,',
  'results travel back, rewards share the machines for tests, and the trainer update. In contrast to a real run, the trainer generates no',
  'groups. A *limit* is the part without which a step would be fastest: `rollouts`, `trainer` (updates), `network` or `rewards`.',
  '`staleness=1` is a run whose rollouts are made while the step before them is trained. The tests compare the simulation with closed',
  'forms for one worker, many workers and a slow network. Measured times are those of the run without workers above. Assumptions are',
  'guesses about machines that we do not have; the tables say how a run would scale if they were true.',
];

function simulatedSection({ title, model, inputs }: Scenario): string[] {
  const at = (workers: number, staleness: number) => ({ ...model, workers, staleness });
  const base = secondsPerStep(at(1, 0));
  return [
    `### ${title}`,
    '',
    '| input | value | source |',
    '|---|---|---|',
    ...inputs.map(({ what, value, source }) => row(what, value, source)),
    '',
    '| workers | a step | speed-up | limit | a step, `staleness=1` | speed-up | limit |',
    '|---|---|---|---|---|---|---|',
    ...simulatedWorkers.map((workers) =>
      row(
        `${workers}`,
        ...[0, 1].flatMap((staleness) => {
          const seconds = secondsPerStep(at(workers, staleness));
          return [shownSeconds(seconds), (base / seconds).toFixed(2), limitOf(at(workers, staleness))];
        }),
      ),
    ),
    '',
  ];
}

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
