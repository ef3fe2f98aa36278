extension Page {
  /// Colours for light and dark, and the page's plain look.
  static let style = """
    :root { color-scheme: light dark; --page: #fbfbf9; --card: #ffffff; --ink: #1c1c1a; --soft: #5f5e59;
      --rule: #deddd7; --first: #2a6fbf; --second: #d9662b; }
    @media (prefers-color-scheme: dark) { :root { --page: #161614; --card: #1f1f1d; --ink: #f1f0ec; --soft: #a9a8a1;
      --rule: #3a3935; --first: #6aa5ea; --second: #ee8a55; } }
    * { box-sizing: border-box; } [hidden] { display: none !important; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 1180px; margin: 0 auto; padding: 20px; display: grid; grid-template-columns: minmax(260px, 340px) minmax(0, 1fr); gap: 20px; }
    @media (max-width: 800px) { main { grid-template-columns: minmax(0, 1fr); } }
    h1 { font-size: 20px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 0 0 8px; }
    .soft { color: var(--soft); } .error { color: var(--second); } a { color: var(--first); } p { margin: 6px 0; }
    .card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; margin-bottom: 16px; }
    #drop { border: 2px dashed var(--rule); border-radius: 8px; padding: 18px; text-align: center; color: var(--soft); cursor: pointer; margin-top: 10px; }
    #drop.over, #drop:focus-visible { border-color: var(--first); outline: none; }
    .thumbs { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 10px; }
    .thumbs figure { margin: 0; position: relative; } .thumbs img { width: 68px; height: 68px; object-fit: cover; border-radius: 6px; display: block; }
    .thumbs button { position: absolute; top: 2px; right: 2px; padding: 0 6px; line-height: 1.3; }
    textarea, select, input[type=number] { width: 100%; font: inherit; color: inherit; background: var(--page); border: 1px solid var(--rule); border-radius: 6px; padding: 6px 8px; }
    input[type=range] { width: 100%; accent-color: var(--first); } fieldset { border: 0; padding: 0; margin: 10px 0 0; }
    legend, label, summary { color: var(--soft); } label { display: block; margin: 10px 0 3px; } fieldset label { color: var(--ink); margin: 2px 0; }
    details { margin-top: 10px; } summary { cursor: pointer; } output { color: var(--ink); }
    button { font: inherit; border: 1px solid var(--rule); border-radius: 6px; background: var(--page); color: inherit; padding: 6px 14px; cursor: pointer; }
    button.main { background: var(--first); border-color: var(--first); color: var(--card); font-weight: 600; } button:disabled { opacity: .5; cursor: default; }
    .row { display: flex; gap: 8px; margin-top: 14px; } progress { width: 100%; height: 8px; accent-color: var(--first); }
    .pairs { display: grid; grid-template-columns: minmax(180px, 320px) minmax(0, 1fr); gap: 22px; }
    @media (max-width: 560px) { .pairs { grid-template-columns: minmax(0, 1fr); } }
    img { image-orientation: none; } .view { position: relative; line-height: 0; } .view img { width: 100%; border-radius: 6px; }
    .view canvas { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 6px; pointer-events: none; }
    .pair { padding: 10px 0 12px; border-bottom: 1px solid var(--rule); } .pair:last-child { border: 0; }
    .pair header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
    .pair.best .score { color: var(--first); } .score { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
    .word { border-bottom: 2px solid var(--rule); cursor: help; padding: 0 1px; margin-right: .3em; } .word:hover, .word:focus { border-color: var(--second); outline: none; }
    .parts { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
    .bar { display: block; width: 100%; height: 22px; margin: 5px 0 2px; } .bar line { stroke: var(--soft); } .bar .first { fill: var(--first); } .bar .second { fill: var(--second); }
    .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 5px 0 10px; } .legend i.first { background: var(--first); } .legend i.second { background: var(--second); }
    .scroll { overflow-x: auto; } table.matrix { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    .matrix th, .matrix td { border: 1px solid var(--rule); padding: 5px 9px; text-align: center; font-weight: 400; } .matrix th { max-width: 220px; }
    .matrix img { width: 56px; height: 56px; object-fit: cover; border-radius: 4px; display: block; margin: 0 auto; }
    .matrix th button { padding: 2px; border-color: transparent; background: none; } .matrix td { background: color-mix(in srgb, var(--first) calc(var(--share) * 60%), var(--card)); }
    .matrix td.best { font-weight: 700; } .matrix td.column::after { content: " ↓"; } .matrix tr.shown th { outline: 2px solid var(--first); outline-offset: -2px; }
    """
}
