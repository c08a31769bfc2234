import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import './chart.css';

export interface ChartSeries {
  readonly label: string;
  /** Name of a token of styles/tokens.css: `--green`. */
  readonly color: string;
  /** One for each time; null leaves a hole. */
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  /** What is drawn, for whoever does not see it. */
  readonly label: string;
  /** Unix seconds, growing. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
  /** Fills below the first series. */
  readonly isFilled?: boolean;
}

const HEIGHT = 168;

/** Lines over time, with their newest values as the legend. */
export function Chart({ label, times, series, format, isFilled = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const theme = useTheme();
  const shape = series.map(({ label: name, color }) => `${name}:${color}`).join();
  const data = [times, ...series.map(({ values }) => values)] as uPlot.AlignedData;

  useEffect(() => {
    plot.current?.setData(data);
  });

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(element, shape, format, isFilled), data, element);
    plot.current = made;
    const resized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- data that changes later is set by the effect above
  }, [shape, theme, format, isFilled]);

  return (
    <figure className="chart">
      <figcaption className="chart-legend">
        <span className="visually-hidden">{label}: </span>
        {series.map(({ label: name, color, values }) => {
          const value = values.findLast((each) => each !== null);
          return (
            <span key={name}>
              <i className="chart-key" style={{ background: `var(${color})` }} aria-hidden="true" />
              {name} <b className="tabular">{value == null ? '–' : format(value)}</b>
            </span>
          );
        })}
      </figcaption>
      <div ref={place} className="chart-place" aria-hidden="true" />
    </figure>
  );
}

function optionsOf(
  element: HTMLElement,
  shape: string,
  format: (value: number) => string,
  isFilled: boolean,
): uPlot.Options {
  const colorOf = resolver(element);
  const [muted, line] = [colorOf('--muted'), colorOf('--line')];
  const font = `12px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, values: (_, ticks) => ticks.map(clock) },
      { ...axis, size: 58, splits: undefined, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...shape
        .split(',')
        .filter(Boolean)
        .map((each, index) => {
          const stroke = colorOf(each.slice(each.lastIndexOf(':') + 1));
          return {
            stroke,
            width: 1.75,
            points: { show: false },
            ...(isFilled && index === 0 && { fill: translucent(stroke) }),
          };
        }),
    ],
  };
}

/** A canvas does not know custom properties: what they come down to in the present theme. */
function resolver(element: HTMLElement): (token: string) => string {
  return (token) => {
    element.style.color = `var(${token})`;
    const { color } = getComputedStyle(element);
    element.style.color = '';
    return color;
  };
}

function translucent(color: string): string {
  return color.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.12)');
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { hour12: false });
}

/** Changes whenever colours do. */
function useTheme(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const change = () => setChanges((count) => count + 1);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const chosen = new MutationObserver(change);
    scheme.addEventListener('change', change);
    chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      scheme.removeEventListener('change', change);
      chosen.disconnect();
    };
  }, []);
  return changes;
}
