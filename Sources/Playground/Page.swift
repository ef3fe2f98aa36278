/// The page as it is sent: one file that asks for nothing but this server.
enum Page {
  static let html = """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,"><title>dsd</title><style>\(style)</style></head>
    \(body)<script>\(script)</script></html>
    """

  private static let body = """
    <body><main>
    <div class="side"><section class="card">
    <h1 id="graph">dsd</h1><p class="soft" id="about"></p>
    <div id="drop" tabindex="0" role="button" aria-label="Add images">Drop images here, or click
    <input id="file" type="file" accept="image/png,image/jpeg" multiple hidden></div>
    <div class="thumbs" id="thumbs"></div>
    <label for="texts">Captions, one a line</label><textarea id="texts" rows="5" spellcheck="false"></textarea>
    <fieldset id="adapters" hidden><legend>Adapters</legend></fieldset>
    <div id="headRow" hidden><label for="head">Head</label><select id="head"><option value="">mean</option></select></div>
    <label for="samples">Noise levels to score at: <output id="samplesText">4</output></label>
    <input id="samples" type="range" min="1" max="16" value="4">
    <details><summary>More</summary>
    <label for="seed">Seed of the noise</label><input id="seed" type="number" min="0" max="9007199254740991" step="1" value="0">
    <label for="score">Terms</label><select id="score"><option>both</option><option>attention</option><option>bias</option></select>
    <label for="layers">Layers: official, all or patterns</label><input id="layers" type="text" value="official" spellcheck="false">
    <label for="pooling">Pooling</label><select id="pooling"></select>
    <label for="positions">Text positions</label><select id="positions"><option>all</option><option>content</option></select>
    <label for="normalize">Attention relative to</label><select id="normalize">
    <option>none</option><option>empty-caption</option><option>noise</option><option>images</option></select>
    <label for="relative">Maps relative to</label><select id="relative">
    <option>none</option><option>words</option><option>empty-caption</option></select>
    </details>
    <p class="row"><button class="main" id="go">Score</button> <button id="stop" hidden>Stop</button></p>
    <progress id="progress" aria-label="passes" hidden></progress><p class="soft" id="passes"></p>
    <p class="soft" id="status" role="status"></p>
    </section>
    <section class="card" id="sliders" hidden>
    <h2>What counts</h2>
    <label>Noise levels <output id="stepsText"></output></label>
    <input id="stepFrom" aria-label="from this noise level" type="range"><input id="stepTo" aria-label="to this noise level" type="range">
    <label>Layers <output id="layersText"></output></label>
    <input id="layerFrom" aria-label="from this layer" type="range"><input id="layerTo" aria-label="to this layer" type="range">
    <p><button id="reset">As it was scored</button></p>
    </section></div>
    <div id="results"><section class="card soft" id="hint">Add an image and two captions, press Score. Then hover a word to see where
    it looks.</section>
    <section class="card" id="matrixCard" hidden><h2>Images × captions</h2><div class="scroll"><table class="matrix" id="matrix"></table></div>
    <p class="soft">Bold: the image’s best caption; ↓: the caption’s best image. Press an image to see its parts.</p></section>
    <section class="card" id="detail" hidden><div class="pairs"><div><div class="view"><img id="photo" alt=""><canvas id="heat"></canvas></div>
    <p class="soft" id="lookText" aria-live="polite">Hover a word to see where it looks.</p></div><div id="captions"></div></div>
    <p class="soft legend"><i class="first"></i>attention <i class="second"></i>bias, both less the mean over the captions.
    Maps are of all layers and noise levels.</p>
    <p class="soft"><span id="settings"></span> <a id="save" download="scores.json">Save as JSON</a></p></section>
    </div></main></body>
    """
}
