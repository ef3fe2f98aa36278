extension Page {
  static let script = #"""
    "use strict";
    const $ = id => document.getElementById(id);
    const make = (name, className, text) => {
      const node = document.createElement(name);
      if (className) node.className = className;
      if (text !== undefined) node.textContent = text;
      return node;
    };
    let facts, images = [], answer = null, shown = 0, running = null;

    // What was asked for, and what came.
    async function begin() {
      const response = await fetch("api/model");
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
      facts = await response.json();
      document.title = facts.graph + " · dsd";
      $("graph").textContent = facts.graph;
      $("about").textContent = `${facts.layers.length} cross-attention layers, images at ${facts.image_size} × ${facts.image_size}`;
      for (const name of ["logsumexp", "cosine", "max", "mean", "mass"]) $("pooling").append(new Option(name));
      $("samples").max = Math.min(16, facts.schedule_length);
      for (const name of facts.adapters) {
        const label = make("label"), box = make("input");
        box.type = "checkbox"; box.value = name;
        label.append(box, " " + name);
        $("adapters").append(label);
      }
      $("adapters").hidden = !facts.adapters.length;
      for (const head of facts.heads) $("head").append(new Option(head.name));
      $("headRow").hidden = !facts.heads.length;
      $("samplesText").textContent = $("samples").value;
    }

    function tell(text, isError) {
      $("status").textContent = text;
      $("status").className = isError ? "error" : "soft";
    }

    // Images.
    async function add(files) {
      if (!facts) return tell("the model is still being read", true);
      for (const file of files) {
        if (!["image/png", "image/jpeg"].includes(file.type)) { tell(`${file.name}: neither PNG nor JPEG`, true); continue; }
        if (images.length >= facts.limits.images) { tell(`${facts.limits.images} images are the limit`, true); break; }
        const size = images.reduce((sum, image) => sum + image.size, 0) + file.size * 4 / 3;
        if (size > facts.limits.upload_bytes) {
          tell(`${file.name}: too large; all images together are at most ${Math.floor(facts.limits.upload_bytes * 0.75 / 1e6)} MB`, true);
          continue;
        }
        const url = await new Promise((done, failed) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result);
          reader.onerror = () => failed(reader.error);
          reader.readAsDataURL(file);
        });
        images.push({ name: file.name, url, size: url.length });
      }
      showThumbs();
    }

    function showThumbs() {
      $("thumbs").replaceChildren(...images.map((image, i) => {
        const figure = make("figure"), picture = make("img"), button = make("button", "", "×");
        picture.src = image.url; picture.alt = picture.title = image.name;
        button.setAttribute("aria-label", "Remove " + image.name);
        button.onclick = () => { images.splice(i, 1); showThumbs(); };
        figure.append(picture, button);
        return figure;
      }));
    }

    // Scoring.
    function request() {
      const texts = $("texts").value.split("\n").map(text => text.trim()).filter(text => text);
      const adapters = [...$("adapters").querySelectorAll("input:checked")].map(box => box.value);
      const asked = {
        images: images.map(image => ({ name: image.name, data: image.url })), texts, adapters,
        samples: Number($("samples").value), seed: Number($("seed").value || 0), pooling: $("pooling").value,
        positions: $("positions").value, normalize: $("normalize").value, score: $("score").value,
      };
      // Maps of very many pairs would be more than a page can hold.
      const words = texts.reduce((sum, text) => sum + (text.match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]+/gu)?.length ?? 0), 0);
      if (words * images.length * facts.map_area <= facts.limits.map_values * 0.8) asked.maps = { relative: $("relative").value };
      const head = facts.heads.find(head => head.name === $("head").value);
      asked.terms = !head;
      if (head) {
        asked.head = head.name;
        if (head.timesteps) { delete asked.samples; asked.timesteps = head.timesteps; }
        if (head.score) asked.score = head.score;
      }
      if (!head?.layers) asked.layers = $("layers").value.trim() || "official";
      return asked;
    }

    async function score() {
      if (!facts) return tell("The model is not there yet.", true);
      const asked = request();
      if (!asked.images.length) return tell("Add an image first.", true);
      if (!asked.texts.length) return tell("Type a caption first.", true);
      const pictures = images.slice();
      const control = new AbortController();
      running?.abort();
      running = control;
      $("stop").hidden = $("progress").hidden = false;
      $("progress").removeAttribute("value");
      $("passes").textContent = "";
      tell("sending");
      try {
        const response = await fetch("api/score", {
          method: "POST", signal: control.signal, body: JSON.stringify(asked),
          headers: { "Content-Type": "application/json", Accept: "application/x-ndjson" },
        });
        if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error || `the server answers ${response.status}`);
        for await (const line of lines(response.body)) {
          if (line.error) throw new Error(line.error);
          if (line.queued !== undefined) $("passes").textContent = "", tell(line.queued ? `waiting for ${line.queued} other${line.queued > 1 ? "s" : ""}` : "waiting");
          if (line.progress) {
            const [done, all] = line.progress;
            if (all) { $("progress").max = all; $("progress").value = done; }
            if ($("status").textContent) tell("");
            $("passes").textContent = all ? `${done} of ${all} passes` : "preparing the model";
          }
          if (line.result) {
            answer = line.result;
            answer.pictures = pictures;
            showSettings(asked);
            shown = 0;
            tell(`${answer.images.length} × ${answer.texts.length} in ${answer.seconds.toFixed(2)} s`);
            setSliders();
            show();
          }
        }
      } catch (error) {
        if (running === control) tell(error.name === "AbortError" ? "stopped" : error.message || "the server has gone", error.name !== "AbortError");
      }
      if (running === control) { running = null; $("stop").hidden = $("progress").hidden = true; $("passes").textContent = ""; }
    }

    async function* lines(body) {
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      let begun = [];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const parts = value.split("\n");
        for (const part of parts.slice(0, -1)) {
          const line = begun.join("") + part;
          begun = [];
          if (line) yield JSON.parse(line);
        }
        begun.push(parts.at(-1));
      }
    }

    // What made the scores that are shown, and all of the answer as a file.
    function showSettings(asked) {
      const parts = [`noise levels ${answer.timesteps.join(", ")}`, `seed ${asked.seed}`, `layers ${asked.layers ?? "the head’s"}`];
      for (const name of ["pooling", "positions", "normalize", "score"]) if (asked[name] !== { pooling: "logsumexp", positions: "all", normalize: "none", score: "both" }[name]) parts.push(`${name} ${asked[name]}`);
      if (asked.adapters.length) parts.push("with " + asked.adapters.join(", "));
      if (asked.head) parts.push("head " + asked.head);
      if (!answer.maps) parts.push("without maps: too many words and images");
      $("settings").textContent = parts.join(" · ") + ".";
      const { pictures, ...kept } = answer;
      URL.revokeObjectURL($("save").href);
      $("save").href = URL.createObjectURL(new Blob([JSON.stringify(kept)], { type: "application/json" }));
    }

    // What counts: noise levels and layers.
    const sliders = ["stepFrom", "stepTo", "layerFrom", "layerTo"];
    let layersAreChosen = false;

    function setSliders() {
      const { terms, timesteps } = answer;
      $("sliders").hidden = answer.head != null || !terms;
      layersAreChosen = false;
      const last = { step: timesteps.length - 1, layer: Math.max((terms?.layers.length ?? 1) - 1, 0) };
      for (const kind of ["step", "layer"]) for (const end of ["From", "To"]) {
        const slider = $(kind + end);
        slider.min = 0; slider.max = last[kind]; slider.value = end === "From" ? 0 : last[kind];
        slider.disabled = !last[kind];
      }
    }

    function range(kind) {
      const from = Number($(kind + "From").value), to = Number($(kind + "To").value);
      const [low, high] = [Math.min(from, to), Math.max(from, to)];
      return Array.from({ length: high - low + 1 }, (_, i) => low + i);
    }

    const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;

    // [image][text] with attention, bias and their sum, of the noise levels and layers that count.
    function scores() {
      const { terms } = answer;
      if (answer.head != null || !terms) return answer.scores.map((row, i) => row.map((score, j) => (
        { score: Number(score), attention: answer.attention && Number(answer.attention[i][j]), bias: answer.bias && Number(answer.bias[i][j]) })));
      const steps = range("step"), layers = layersAreChosen ? range("layer") : terms.chosen;
      return answer.images.map((_, i) => answer.texts.map((_, j) => {
        const attention = terms.attention && mean(steps.map(t => mean(layers.map(l => Number(terms.attention[i][j][t][l])))));
        const bias = terms.bias && mean(steps.map(t => Number(terms.bias[i][j][t])));
        return { attention, bias, score: (attention ?? 0) + (bias ?? 0) };
      }));
    }

    // Results.
    function show() {
      $("hint").hidden = true;
      $("detail").hidden = false;
      if (!$("sliders").hidden) {
        for (const [kind, names] of [["step", answer.timesteps], ["layer", answer.terms.layers]]) for (const end of ["From", "To"]) {
          $(kind + end).setAttribute("aria-valuetext", names[$(kind + end).value] ?? "");
        }
        const steps = range("step").map(t => answer.timesteps[t]), layers = layersAreChosen ? range("layer") : answer.terms.chosen;
        $("stepsText").textContent = steps.length > 1 ? `${steps[0]} to ${steps.at(-1)} (${steps.length} of ${answer.timesteps.length})` : `${steps[0]}`;
        $("layersText").textContent = `${layers.length} of ${answer.terms.layers.length}` + (layersAreChosen ? `, ${answer.terms.layers[layers[0]]}${layers.length > 1 ? " to " + answer.terms.layers[layers.at(-1)] : ""}` : " (as it was scored)");
      }
      const all = scores();
      showMatrix(all);
      showImage(all[shown]);
    }

    const best = values => values.reduce((found, value, place) => value > values[found] || Number.isNaN(values[found]) && !Number.isNaN(value) ? place : found, 0);
    const number = value => value === undefined || value === null ? "–" : value.toFixed(4);

    function showMatrix(all) {
      $("matrixCard").hidden = answer.images.length < 2;
      if (answer.images.length < 2) return;
      const head = make("tr");
      head.append(make("th"), ...answer.texts.map(text => make("th", "", text)));
      const columns = answer.texts.map((_, j) => best(all.map(row => row[j].score)));
      $("matrix").replaceChildren(head, ...all.map((row, i) => {
        const line = make("tr", i === shown ? "shown" : ""), name = make("th"), button = make("button"), picture = make("img");
        picture.src = answer.pictures[i].url; picture.alt = picture.title = answer.images[i];
        button.setAttribute("aria-pressed", i === shown);
        button.append(picture);
        name.append(button);
        line.append(name);
        const values = row.map(pair => pair.score), first = best(values);
        const low = Math.min(...values.filter(Number.isFinite)), high = Math.max(...values.filter(Number.isFinite));
        row.forEach((pair, j) => {
          const cell = make("td", (j === first ? "best" : "") + (columns[j] === i ? " column" : ""), pair.score.toFixed(3));
          cell.style.setProperty("--share", Number.isFinite(pair.score) && high > low ? (pair.score - low) / (high - low) : 0);
          line.append(cell);
        });
        button.onclick = () => { shown = i; show(); };
        return line;
      }));
    }

    function showImage(row) {
      $("photo").src = answer.pictures[shown].url;
      $("photo").alt = answer.images[shown];
      hideHeat();
      const first = best(row.map(pair => pair.score));
      const finite = part => row.map(pair => pair[part] ?? 0).filter(Number.isFinite);
      const middle = { attention: mean(finite("attention")), bias: mean(finite("bias")) };
      const reach = Math.max(1e-9, ...["attention", "bias"].flatMap(part => finite(part).map(value => Math.abs(value - middle[part]))));
      $("captions").replaceChildren(...row.map((pair, j) => {
        const block = make("div", "pair" + (j === first && row.length > 1 ? " best" : "")), header = make("header"), words = make("div", "words");
        const map = answer.maps?.[shown]?.[j];
        if (map) map.words.forEach(word => {
          const node = make("span", "word", word.text);
          node.tabIndex = 0;
          node.onmouseenter = node.onfocus = () => showHeat(map, word, answer.texts[j]);
          node.onmouseleave = node.onblur = hideHeat;
          words.append(node, " ");
        }); else words.textContent = answer.texts[j];
        words.title = answer.texts[j];
        header.append(words, make("span", "score", number(pair.score)));
        block.append(header);
        if (row.length > 1) block.append(bars(pair, middle, reach));
        block.append(make("div", "parts", `attention ${number(pair.attention)} · bias ${number(pair.bias)}`));
        return block;
      }));
    }

    function bars(pair, middle, reach) {
      const name = "http://www.w3.org/2000/svg", svg = document.createElementNS(name, "svg");
      svg.setAttribute("class", "bar"); svg.setAttribute("viewBox", "-100 0 200 22"); svg.setAttribute("preserveAspectRatio", "none");
      const element = (kind, values) => {
        const node = document.createElementNS(name, kind);
        for (const key in values) node.setAttribute(key, values[key]);
        svg.append(node);
      };
      [["attention", "first", 2], ["bias", "second", 12]].forEach(([part, colour, y]) => {
        if (pair[part] === undefined || pair[part] === null) return;
        const length = 98 * (pair[part] - middle[part]) / reach;
        if (Number.isFinite(length)) element("rect", { class: colour, x: Math.min(length, 0), y, width: Math.abs(length), height: 8 });
      });
      element("line", { x1: 0, x2: 0, y1: 0, y2: 22, "vector-effect": "non-scaling-stroke" });
      return svg;
    }

    // Where a word looks.
    const ramp = [[40, 16, 78], [122, 26, 110], [201, 62, 80], [240, 134, 50], [250, 224, 130]];
    function colour(value) {
      const place = Math.min(Math.max(value, 0), 1) * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
      return ramp[low].map((from, i) => from + (ramp[low + 1][i] - from) * (place - low));
    }

    function showHeat(map, word, caption) {
      const small = new OffscreenCanvas(map.width, map.height), pixels = new ImageData(map.width, map.height);
      const values = word.values.map(Number), low = Math.min(...values), high = Math.max(...values);
      values.forEach((value, i) => {
        pixels.data.set([...colour(high > low ? (value - low) / (high - low) : 0), 165], 4 * i);
      });
      small.getContext("2d").putImageData(pixels, 0, 0);
      const canvas = $("heat"), box = canvas.getBoundingClientRect();
      canvas.width = box.width * devicePixelRatio; canvas.height = box.height * devicePixelRatio;
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = true; context.imageSmoothingQuality = "high";
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      canvas.dataset.word = word.text;
      $("lookText").textContent = `Where “${word.text}” of “${caption}” looks: dark little, light much.`;
    }

    function hideHeat() {
      const canvas = $("heat");
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      delete canvas.dataset.word;
      $("lookText").textContent = answer?.maps ? "Hover a word to see where it looks." : "";
    }

    // Controls.
    $("go").onclick = score;
    $("stop").onclick = () => running?.abort();
    $("texts").onkeydown = event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) score(); };
    $("samples").oninput = () => $("samplesText").textContent = $("samples").value;
    for (const id of sliders) $(id).oninput = () => { if (id.startsWith("layer")) layersAreChosen = true; show(); };
    $("reset").onclick = () => { setSliders(); show(); };
    const drop = $("drop");
    drop.onclick = () => $("file").click();
    $("file").onclick = event => event.stopPropagation();
    drop.onkeydown = event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("file").click(); } };
    const take = files => { tell(""); return add([...files]).catch(error => tell("a file cannot be read: " + error.message, true)); };
    $("file").onchange = () => take($("file").files).then(() => $("file").value = "");
    for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, event => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files);
    });
    document.addEventListener("paste", event => { if (event.clipboardData.files.length) take(event.clipboardData.files); });
    begin().catch(error => tell("the model cannot be read: " + error.message, true));
    """#
}
