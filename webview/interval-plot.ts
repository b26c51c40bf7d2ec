import './interval-plot.css';
import type { Interval } from '../src/protocol/interval.ts';
import { drawing, element } from './element.ts';
import { percent } from './numbers.ts';

/** A proportion with its interval. Its name, if `before`, `after` or `control`, also sets the colour. */
export interface PlottedInterval {
  readonly name: string;
  readonly colour?: 'before' | 'after' | 'control';
  readonly interval: Interval;
}

/** Estimates as dots with their 95 % intervals as whiskers, on a common axis that fits their range. */
export function intervalPlot(rows: readonly PlottedInterval[]): HTMLElement {
  const step = 0.1;
  const low = Math.floor(Math.min(...rows.map(({ interval }) => interval.low)) / step) * step;
  const high = Math.max(
    low + step,
    Math.ceil(Math.max(...rows.map(({ interval }) => interval.high)) / step - 1e-9) * step,
  );
  const [left, right, top, pitch, width] = [70, 24, 10, 34, 440];
  const x = (share: number) => left + ((share - low) / (high - low)) * (width - left - right);
  const bottom = top + rows.length * pitch;
  const every = high - low > 0.55 ? 2 : 1;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, index) => low + index * step);
  const spoken = rows.map(
    ({ name, interval }) =>
      `${name} ${percent(interval.value)}, 95 % confidence interval ${percent(interval.low)} to ${percent(interval.high)}`,
  );
  const plot = drawing('svg', { viewBox: `0 0 ${width} ${bottom + 24}`, role: 'img', 'aria-label': spoken.join('; ') });
  ticks
    .filter((_, index) => index % every === 0)
    .forEach((share) => {
      plot.append(
        drawing('line', { class: 'grid', x1: x(share), x2: x(share), y1: top, y2: bottom }),
        drawing(
          'text',
          { class: 'tick', x: x(share), y: bottom + 16, 'text-anchor': 'middle' },
          `${Math.round(100 * share)} %`,
        ),
      );
    });
  rows.forEach(({ name, colour = name, interval: { value, low, high } }, index) => {
    const y = top + (index + 0.5) * pitch;
    plot.append(
      drawing('text', { class: 'row', x: left - 12, y: y + 4, 'text-anchor': 'end' }, name),
      drawing(
        'g',
        { class: colour },
        drawing('line', { x1: x(low), x2: x(high), y1: y, y2: y }),
        drawing('line', { x1: x(low), x2: x(low), y1: y - 5, y2: y + 5 }),
        drawing('line', { x1: x(high), x2: x(high), y1: y - 5, y2: y + 5 }),
        drawing('circle', { cx: x(value), cy: y, r: 5.5 }),
      ),
    );
  });
  return element(
    'figure',
    { class: 'intervals' },
    plot,
    element('figcaption', {}, 'Dots: estimates. Whiskers: 95 % confidence intervals.'),
  );
}
