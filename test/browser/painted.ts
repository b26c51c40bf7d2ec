import type { Locator } from 'playwright-core';

/** The part of the DOM's canvas API that the tests use; the page's own types are not available here. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { data: Uint8Array } };
  toDataURL(): string;
}

/** The number of pixels of a chart's curves: opaque pixels with a saturated colour. */
export const colouredPixels = (chart: Locator): Promise<number> =>
  chart.locator('canvas').evaluate((canvas: Canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue, opacity] = data.slice(at, at + 4) as unknown as [number, number, number, number];
      if (opacity > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) count++;
    }
    return count;
  });
