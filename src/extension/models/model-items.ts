import { fitText, size, suggestionTimeText } from '../../platform/amounts.ts';
import type { ModelOffer } from '../../protocol/models.ts';
import { printableLine } from '../../protocol/printable.ts';
import type { MissingBase, ModelSummary, RuntimeStatus } from '../../protocol/runtime.ts';

/** Where models come from, for display. */
export const origins: Readonly<Record<ModelSummary['kind'], string>> = {
  bundled: 'bundled with Unmask',
  installed: 'installed',
  adapter: 'adapter for another model',
  run: 'last checkpoint of a run',
};

const groups: Readonly<Record<ModelSummary['kind'], string>> = {
  bundled: 'Bundled with Unmask',
  installed: 'Installed',
  adapter: 'Adapters',
  run: 'From runs',
};

export interface ModelItem {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  readonly name: string;
}

export interface ModelGroup {
  readonly title: string;
  readonly items: readonly ModelItem[];
}

/** Label of a model in lists: its name, or the last part of its path. */
export const labelOf = (name: string): string =>
  printableLine(/^([A-Za-z]:)?[\\/]/.test(name) ? (name.split(/[\\/]/).at(-1) as string) : name);

/** Tasks whose answers are code. */
const codeTasks = ['code', 'workspace'];

/** Whether a model can be chosen for tasks: it loads, and if one of them asks for code, it completes code. */
export const suits = ({ completes, problem }: ModelSummary, tasks: readonly string[]): boolean =>
  problem === null && (completes || !tasks.some((task) => codeTasks.includes(task)));

/** The models that complete code, grouped by origin; `used` is the one in use. */
export function modelGroups(models: readonly ModelSummary[], used: string): ModelGroup[] {
  const chosen = models.filter(({ completes, problem }) => completes && problem === null);
  return (Object.keys(groups) as ModelSummary['kind'][]).flatMap((kind) => {
    const items = chosen.filter((model) => model.kind === kind).map((model) => itemOf(model, used));
    return items.length === 0 ? [] : [{ title: groups[kind], items }];
  });
}

/** Bundled adapters whose base is not installed. To use one, its base is downloaded. */
export const downloadItems = (models: readonly ModelSummary[]): (ModelItem & { readonly base: MissingBase })[] =>
  models.flatMap((model) => {
    const { missing_base: base } = model;
    if (!base) return [];
    const description = `${size(base.bytes)} to download · licence ${printableLine(base.licence)}`;
    return [
      { label: labelOf(model.name), description, detail: printableLine(model.description), name: model.name, base },
    ];
  });

function itemOf(model: ModelSummary, used: string): ModelItem {
  const { name, bytes, description, suggestion_milliseconds: time } = model;
  return {
    label: labelOf(name),
    description: [
      ...(name === used ? ['in use'] : []),
      ...(time === undefined ? [] : [suggestionTimeText(time)]),
      ...[size(bytes), licenceText(model), fitText(model.memory)],
    ].join(' · '),
    detail: printableLine(description),
    name,
  };
}

export const licenceText = ({ licence }: { readonly licence: string | null }): string =>
  licence === null ? 'licence not stated' : `licence ${licence}`;

/** Formats a number of parameters: "4.3 million parameters", "7.6 billion parameters". */
export const parametersText = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(1)} billion parameters` : `${(count / 1e6).toFixed(1)} million parameters`;

/** Facts about a model to show before it is downloaded, one per line. */
export function offerLines(offer: ModelOffer): string[] {
  const { bytes, gated, parameters, memory, revision, installed } = offer;
  return [
    `${size(bytes)} to download${parameters === null ? '' : `, ${parametersText(parameters)}`}`,
    `${licenceText(offer)}${gated ? '; accept its terms on the Hugging Face Hub first' : ''}`,
    `Memory: ${fitText(memory)}`,
    `Revision ${revision.slice(0, 12)}${installed === null ? '' : `, replaces ${installed.slice(0, 12)}`}`,
  ];
}

/** A model is slow if half of its suggestions take longer than this many milliseconds. */
const slow = 2000;
/** The number of suggestions after which a model is judged. */
const enough = 3;

/** Returns the warning about a slow model: "This model takes about 9 s per suggestion here."; null if it is not slow. */
export function slowWarning({ model, latency: { requests, p50 } }: RuntimeStatus): string | null {
  if (p50 === null || requests < enough || p50 <= slow) return null;
  const time = suggestionTimeText(p50).replace('about', 'takes about');
  return `The model ${labelOf(model)} ${time}. You can select a smaller one.`;
}
