extension HTMLReport {
  /// Colours for light and dark, and the page's plain look.
  static let style = """
    :root { color-scheme: light dark; --page: #fbfbf9; --card: #ffffff; --ink: #1c1c1a; --soft: #5f5e59;
      --rule: #deddd7; --first: #2a6fbf; --second: #d9662b; --band: #2a6fbf2e; }
    @media (prefers-color-scheme: dark) { :root { --page: #161614; --card: #1f1f1d; --ink: #f1f0ec; --soft: #a9a8a1;
      --rule: #3a3935; --first: #6aa5ea; --second: #ee8a55; --band: #6aa5ea38; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 64px; }
    h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 12px; }
    h3 { font-size: 15px; margin: 20px 0 8px; } p { margin: 6px 0 12px; } .soft { color: var(--soft); }
    nav a { color: var(--first); margin-right: 16px; }
    section.card, figure { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; }
    figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: 8px; }
    .legend { float: right; font-weight: 400; color: var(--soft); } .legend i { display: inline-block; width: 10px;
      height: 10px; border-radius: 2px; margin: 0 6px 0 14px; } .legend i.first { background: var(--first); }
    .legend i.second { background: var(--second); }
    .grid2 { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 16px; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 4px 10px; text-align: left;
      border-bottom: 1px solid var(--rule); vertical-align: middle; } td.n, th.n { text-align: right; white-space: nowrap; }
    tr.chosen td { font-weight: 600; } td.name { overflow-wrap: anywhere; min-width: 12em; } th { color: var(--soft); font-weight: 500; }
    svg.chart { width: 100%; height: auto; display: block; } svg.interval { display: block; }
    svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--rule); stroke-width: 1; }
    svg .axis { stroke: var(--soft); stroke-width: 1; } svg .chance { stroke: var(--soft); stroke-dasharray: 3 3; }
    svg .line { fill: none; stroke: var(--first); stroke-width: 2; } svg .band { fill: var(--band); }
    svg .dot { fill: var(--first); } svg .hollow { fill: var(--card); stroke: var(--second); stroke-width: 2; }
    svg .whisker { stroke: var(--first); stroke-width: 3; opacity: .45; } svg .first { fill: var(--first); }
    svg .second { fill: var(--second); }
    table.matrix th, table.matrix td { border: 1px solid var(--rule); padding: 3px 7px; text-align: center; }
    table.matrix th[scope=row] { text-align: left; white-space: nowrap; max-width: 320px; overflow: hidden; text-overflow: ellipsis; }
    table.matrix td.right { background: color-mix(in srgb, var(--first) calc(var(--share) * 80%), var(--card)); }
    table.matrix td.wrong { background: color-mix(in srgb, var(--second) calc(var(--share) * 80%), var(--card)); }
    .item { margin-bottom: 16px; } .item header { display: flex; gap: 12px; flex-wrap: wrap; align-items: baseline; }
    .badge { border-radius: 4px; padding: 0 7px; border: 1px solid currentColor; font-size: 13px; }
    .badge.right { color: var(--first); } .badge.wrong { color: var(--second); }
    .item img { max-width: 100%; border-radius: 4px; display: block; image-rendering: auto; }
    .item th img { width: 140px; } .item .maps img { margin: 10px 0 0; } td.right-pair { outline: 2px solid var(--first); outline-offset: -2px; }
    td .parts { color: var(--soft); font-size: 12px; display: block; white-space: nowrap; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; } dt { color: var(--soft); }
    dd { margin: 0; overflow-wrap: anywhere; }
    """
}
