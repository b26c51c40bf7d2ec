/**
 * Measures next edits (`src/edits`) on consecutive versions of npm packages, and fits their gate.
 *
 *     node --import tsx scripts/measuring/next-edits/measure.ts          # prints the tables of docs/results/next-edits.md
 *     node --import tsx scripts/measuring/next-edits/measure.ts --fit    # writes src/edits/gate-weights.json
 *
 * `versions.json` lists the packages: the gate is fitted on one half, the tables from the other. A package is fetched with
 * `npm pack`; nothing of it is run.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { automaticChance, gateFeatures } from '../../../src/edits/gate.ts';
import { median, pairedDifference, shareInterval } from '../../../src/evaluation/statistics.ts';
import { Random } from '../../../src/platform/random.ts';
import { indexOf } from '../../../src/runtime/workspace-answers.ts';
import { historiesOf, type VersionPair } from './histories.ts';
import { LanguageServer } from './language-server.ts';
import { type RemovedImport, removeImport } from './removed-imports.ts';
import { type Judged, replay, type Step } from './replay.ts';
import { fitSparse } from './sparse-regression.ts';
import versions from './versions.json' with { type: 'json' };

const server = new LanguageServer();

/** @param begin where the replay of a file begins: at its first edit, or at a drawn one and at the first after the last */
async function stepsOf(pairs: readonly VersionPair[], begin: 'top' | 'anywhere'): Promise<Step[]> {
  const random = new Random(3);
  const steps: Step[] = [];
  for (const pair of pairs) {
    const { histories, files } = await historiesOf(pair);
    const index = indexOf(files.map(({ path: file, text }) => ({ name: `/${file}`, text })));
    for (const history of histories)
      steps.push(
        ...(await replay(history, begin === 'top' ? 0 : random.integer(history.edits.length), server, {
          linesWith: (word) => index.linesWith(`/${history.file}`, word),
        })),
      );
    console.error(`${pair.name}: ${histories.length} files`);
  }
  return steps;
}

/** Files of one package from which an import is taken out. */
const mostFiles = 60;

/** What is proposed after the only use of an imported name was written, in files that lack its import. */
async function removedImports(pairs: readonly VersionPair[]): Promise<RemovedImport[]> {
  const removed: RemovedImport[] = [];
  for (const pair of pairs) {
    const { files } = await historiesOf(pair);
    const index = indexOf(files.map(({ path: file, text }) => ({ name: `/${file}`, text })));
    for (const file of new Random(1).shuffle(files).slice(0, mostFiles)) {
      const linesWith = (word: string) => index.linesWith(`/${file.path}`, word);
      const one = await removeImport(file, { linesWith });
      if (one) removed.push(one);
    }
  }
  return removed;
}

/** Features of fewer candidates than this get no weight. */
const fewest = 10;

/** Fits the gate to all candidates of each step, also those that were not the first. */
async function fitGate(): Promise<void> {
  const steps = await stepsOf(versions.fit, 'anywhere');
  const imports = (await removedImports(versions.fit)).flatMap(({ proposals }) =>
    proposals.map((proposal) => ({ ...proposal, isNext: proposal.isRight, isAny: proposal.isRight })),
  );
  const replayed = steps.flatMap(({ textual, exact }) => [
    ...textual,
    ...exact.filter(({ source }) => source === 'rename'),
  ]);
  const candidates = [...replayed, ...imports];
  const counts = new Map<string, number>();
  for (const feature of candidates.flatMap(gateFeatures)) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  const features = [
    'any',
    ...[...counts.keys()].filter((name) => name !== 'any' && counts.get(name)! >= fewest).sort(),
  ];
  const indices = new Map(features.map((name, index) => [name, index]));
  const weightsOf = (isPositive: (candidate: Judged) => boolean): Float64Array =>
    fitSparse(
      candidates.map((candidate) => ({
        features: gateFeatures(candidate).flatMap((name) => indices.get(name) ?? []),
        isPositive: isPositive(candidate),
      })),
      features.length,
    );
  const [next, chance] = [weightsOf(({ isNext }) => isNext), weightsOf(({ isAny }) => isAny)];
  const names = versions.fit.map(({ name, from, to }) => `${name} ${from} to ${to}`).join(', ');
  const about = `Fitted by scripts/measuring/next-edits/measure.ts --fit to ${candidates.length} candidates after ${steps.length} edits of ${names}.`;
  const rows = features.map(
    (name, index) => `    ${JSON.stringify(name)}: [${next[index]!.toFixed(3)}, ${chance[index]!.toFixed(3)}]`,
  );
  const file = path.join(import.meta.dirname, '..', '..', '..', 'src', 'edits', 'gate-weights.json');
  await writeFile(file, `{\n  "about": ${JSON.stringify(about)},\n  "weights": {\n${rows.join(',\n')}\n  }\n}\n`);
}

type Method = (step: Step) => Judged | null;

const methods: Readonly<Record<string, Method>> = {
  'repeat the last replacement': ({ repeat }) => repeat,
  'rename by the language server': ({ rename }) => rename,
  'next edits without references': ({ textual }) => textual[0] ?? null,
  'next edits': ({ exact }) => exact[0] ?? null,
};

/** The most likely answers of a method, at most a share of all steps. */
function shownBy(
  method: Method,
  steps: readonly Step[],
  share: number,
  by: 'next' | 'chance' = 'chance',
): ReadonlyMap<Step, Judged> {
  const answers = steps.flatMap((step) => {
    const answer = method(step);
    return answer ? [[step, answer] as const] : [];
  });
  // Methods without an estimate show any of their answers.
  const drawn = new Random(5).shuffle(answers);
  const most = Math.round(share * steps.length);
  return new Map(drawn.sort(([, a], [, b]) => b[by] - a[by]).slice(0, most));
}

/** One score per file: right ones among those shown. */
function scoresOf(
  shown: ReadonlyMap<Step, Judged>,
  steps: readonly Step[],
  right: keyof Judged & ('isNext' | 'isAny'),
) {
  const files = new Map(steps.map(({ history }) => [history, { value: 0, weight: 0 }]));
  for (const [{ history }, answer] of shown) {
    const score = files.get(history)!;
    score.value += Number(answer[right]);
    score.weight += 1;
  }
  return [...files.values()];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function table(title: string, steps: readonly Step[], right: 'isNext' | 'isAny'): void {
  const files = new Set(steps.map(({ history }) => history)).size;
  console.log(`\n${title}: ${steps.length} edits in ${files} files\n`);
  const shares = [0.2, 0.4, 0.6];
  console.log(`| method | proposes | ${shares.map((share) => `${100 * share} % shown`).join(' | ')} |`);
  console.log(`|---|---|${shares.map(() => '---|').join('')}`);
  for (const [name, method] of Object.entries(methods)) {
    const all = shownBy(method, steps, 1).size / steps.length;
    if (all === 0) continue;
    const cells = shares.map((share) => {
      const shown = shownBy(method, steps, share, right === 'isNext' ? 'next' : 'chance');
      const { value, low, high } = shareInterval(scoresOf(shown, steps, right));
      const fewer = shown.size < Math.round(share * steps.length) ? ` at ${percent(shown.size / steps.length)}` : '';
      return `${percent(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})${fewer}`;
    });
    console.log(`| ${name} | ${percent(all)} | ${cells.join(' | ')} |`);
  }
  for (const baseline of ['repeat the last replacement', 'rename by the language server']) {
    const [before, after] = [methods[baseline]!, methods['next edits']!].map((method) => shownBy(method, steps, 0.4));
    if (before!.size === 0) continue;
    const { value, low, high } = pairedDifference(scoresOf(before!, steps, right), scoresOf(after!, steps, right));
    const numbers = [value, low, high].map((one) => (100 * one).toFixed(1));
    console.log(
      `\nAt 40 % shown, next edits minus ${baseline}: ${numbers[0]} points (${numbers[1]} to ${numbers[2]}).`,
    );
  }
}

async function measure(): Promise<void> {
  const steps = await stepsOf(versions.measure, 'top');
  const isTypeScript = ({ history }: Step): boolean => history.languageId.startsWith('typescript');
  for (const right of ['isNext', 'isAny'] as const) {
    const what = right === 'isNext' ? 'The next edit' : 'Any edit that is still to be made';
    table(`${what}, all files`, steps, right);
    table(`${what}, TypeScript`, steps.filter(isTypeScript), right);
  }
  console.log('\nBy source, of the first proposals\n\n| source | proposals | right | estimated |\n|---|---|---|---|');
  const first = steps.flatMap(({ exact }) => exact.slice(0, 1));
  for (const source of new Set(first.map((one) => one.source))) {
    const own = first.filter((one) => one.source === source);
    const mean = (value: (one: (typeof own)[number]) => number): string =>
      percent(own.reduce((sum, one) => sum + value(one), 0) / own.length);
    console.log(
      `| ${source} | ${own.length} | ${mean(({ isAny }) => Number(isAny))} | ${mean(({ chance }) => chance)} |`,
    );
  }
  const automatic = first.filter(({ chance }) => chance >= automaticChance);
  const rightOnes = automatic.filter(({ isAny }) => isAny).length;
  console.log(
    `\nWith a chance of at least ${automaticChance}: after ${percent(automatic.length / steps.length)} of the edits, ${percent(rightOnes / automatic.length)} right.`,
  );
  const removed = await removedImports(versions.measure);
  const answers = removed.flatMap(({ proposals }) => proposals.slice(0, 1));
  const [proposed, right] = [
    answers.filter(({ source }) => source === 'import').length,
    answers.filter(({ isRight }) => isRight).length,
  ];
  console.log(
    `\nRemoved imports: of ${removed.length}, ${proposed} were proposed first, ${right} of these right (${percent(right / proposed)}).`,
  );
  const times = steps.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const late = times[Math.floor(0.95 * times.length)]!;
  console.log(`\nLatency: p50 ${median(times).toFixed(1)} ms, p95 ${late.toFixed(1)} ms, ${cpus()[0]!.model}.`);
}

if (process.argv.includes('--fit')) await fitGate();
else await measure();
