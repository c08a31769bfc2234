/** Outlines of 24 × 24, drawn in the colour of the text. */
const paths = {
  pulse: 'M3 12h4l3-8 4 16 3-8h4',
  list: 'M8 6h13M8 12h13M8 18h13M3.5 6h.01M3.5 12h.01M3.5 18h.01',
  layers: 'M12 3 2.5 8 12 13l9.5-5zM2.5 12.5 12 17.5l9.5-5M2.5 17 12 22l9.5-5',
  cpu: 'M6 6h12v12H6zM10 10h4v4h-4zM9 2v4M15 2v4M9 18v4M15 18v4M2 9h4M2 15h4M18 9h4M18 15h4',
  inbox: 'M3 13l3-9h12l3 9v7H3zM3 13h5l1.5 3h5L16 13h5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.5 2',
  graph: 'M5 3h5v5H5zM14 16h5v5h-5zM3 16h5v5H3zM7.5 8v4M5.5 16v-4h11v4',
  send: 'M21 3 10 14M21 3l-7 18-4-7-7-4z',
  key: 'M14 10a4 4 0 1 0-3.5 4L13 16.5h2V19h2.5v2H21v-3.5l-7-7z',
  gauge: 'M4 18a9 9 0 1 1 16 0M12 14l4-5M12 14h.01',
  book: 'M5 3h13v18H5zM9 3v18M12 8h3M12 12h3',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M5 19l1.5-1.5M17.5 6.5 19 5',
  moon: 'M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z',
  monitor: 'M3 4h18v12H3zM9 20h6M12 16v4',
  exit: 'M10 4H4v16h6M15 8l4 4-4 4M19 12H9',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 21 21',
  alert: 'M12 3 2 20h20zM12 10v4M12 17h.01',
  close: 'M5 5l14 14M19 5 5 19',
  check: 'M4 12.5 10 18 20 6',
  menu: 'M4 6h16M4 12h16M4 18h16',
} as const;
export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
