import type { EvaluationEvent, RunEvent, StepEvent } from '../../src/protocol/events.ts';
import { type LiveChart, liveChart } from '../chart.ts';
import { compareCharts } from '../comparison.ts';
import { chartsOf, notMeasured, readingNote } from '../curves.ts';
import { element, missing } from '../element.ts';
import { smoothingChoice } from './smoothing-choice.ts';
import type { ViewStore } from './view-state.ts';

/** The curves of a run, with those of compared runs. */
export interface LiveCurves {
  readonly root: HTMLElement;
  show(own: readonly RunEvent[], others: readonly (readonly RunEvent[])[]): void;
}

const isEvaluation = (event: RunEvent): event is EvaluationEvent => typeof event.evaluation === 'object';
export const stepsOf = (events: readonly RunEvent[]): StepEvent[] =>
  events.filter((event): event is StepEvent => !isEvaluation(event));
export const evaluationsOf = (events: readonly RunEvent[]): EvaluationEvent[] => events.filter(isEvaluation);

/** Charts that are updated in place during a run. */
export function liveCurves(store: ViewStore): LiveCurves {
  let redraw: () => void = () => undefined;
  const smoothing = smoothingChoice(store, () => redraw());
  const help = element('p', { class: 'note' }, readingNote);
  const grid = element('div', { class: 'charts' });
  const absent = missing('');
  const charts = new Map<string, LiveChart>();
  return {
    root: element('div', {}, help, smoothing, grid, absent),
    show(own, others) {
      redraw = () => this.show(own, others);
      const ownCharts = chartsOf(stepsOf(own), evaluationsOf(own));
      const charted = others.map((other) => chartsOf(stepsOf(other), evaluationsOf(other)));
      const { smoothing: window } = store.state;
      const specs = compareCharts(ownCharts, charted).map((spec) =>
        // Evaluations are few, and their intervals say how much they vary.
        window === null || spec.curves.some(({ low }) => low) ? spec : { ...spec, window },
      );
      smoothing.hidden = specs.length === 0;
      const titles = new Set(specs.map(({ title }) => title));
      for (const [title, chart] of charts) {
        if (titles.has(title)) continue;
        chart.remove();
        charts.delete(title);
      }
      for (const [index, spec] of specs.entries()) {
        const there = charts.get(spec.title);
        there?.update(spec);
        const chart = there ?? liveChart(spec);
        charts.set(spec.title, chart);
        if (grid.children[index] !== chart.root) grid.insertBefore(chart.root, grid.children[index] ?? null);
      }
      help.hidden = specs.length === 0;
      const sentence =
        stepsOf(own).length === 0 ? 'Training curves appear after the first step.' : notMeasured(ownCharts);
      absent.textContent = sentence ?? '';
      absent.hidden = sentence === null;
    },
  };
}
