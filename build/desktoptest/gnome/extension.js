// Reports the position of the first tray icon's menu on the screen, over D-Bus. The test moves the pointer itself.
// For GNOME Shell 42 to 44, whose extensions are not ES modules.
const {Gio, St} = imports.gi;
const Main = imports.ui.main;
const MessageTray = imports.ui.messageTray;
const PopupMenu = imports.ui.popupMenu;

const NAME = 'fairlead.desktoptest.Shell';
const INTERFACE = `<node><interface name="${NAME}">
  <method name="Menu"><arg type="s" direction="out"/></method>
  <method name="Banner"><arg type="s" direction="out"/></method>
  <method name="CloseBanner"></method>
  <method name="Style"><arg type="s" direction="in"/></method>
</interface></node>`;

let exported, owned, started;

// The shell's own notifications, such as the one that warns of a session as root, would be shown before the program's.
const showNotification = MessageTray.SystemNotificationSource.prototype.showNotification;

function box(actor) {
    const [x, y] = actor.get_transformed_position();
    const [width, height] = actor.get_transformed_size();
    return {x: Math.round(x), y: Math.round(y), width: Math.round(width), height: Math.round(height)};
}

// Returns the area in which scrolling submenus show an item.
function view(actor) {
    let seen = {x: 0, y: 0, width: global.stage.width, height: global.stage.height};
    for (let a = actor.get_parent(); a; a = a.get_parent()) {
        if (a instanceof St.ScrollView)
            seen = common(seen, box(a));
    }
    return seen;
}

function common(a, b) {
    const x = Math.max(a.x, b.x), y = Math.max(a.y, b.y);
    return {
        x, y,
        width: Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x),
        height: Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y),
    };
}

function row(item) {
    if (!item.visible)
        return null;
    const separator = item instanceof PopupMenu.PopupSeparatorMenuItem;
    const label = item.label ? item.label.text : '';
    const layout = !separator && item.label ? item.label.clutter_text.get_layout() : null;
    return {
        label, separator, box: box(item), seen: common(box(item), view(item)), view: view(item),
        enabled: item.sensitive, checked: item._ornament === PopupMenu.Ornament.CHECK,
        cut: layout !== null && layout.is_ellipsized(),
        submenu: Boolean(item.menu), open: Boolean(item.menu && item.menu.isOpen),
        rows: item.menu ? rows(item.menu) : [],
    };
}

function rows(menu) {
    return menu._getMenuItems().map(row).filter(r => r !== null);
}

const service = {
    Menu() {
        for (const role in Main.panel.statusArea) {
            const button = Main.panel.statusArea[role];
            if (role.startsWith('appindicator-') && button.visible && button.menu)
                return JSON.stringify({icon: box(button), open: button.menu.isOpen, box: box(button.menu.box), rows: rows(button.menu)});
        }
        return JSON.stringify({});
    },
    // Banner returns the position of the notification that is shown.
    Banner() {
        const banner = Main.messageTray._banner;
        return JSON.stringify(banner && banner.visible ? box(banner) : {});
    },
    // CloseBanner dismisses the notification that is shown.
    CloseBanner() {
        Main.messageTray._banner?.notification.destroy();
    },
    // Style applies a stylesheet to the shell, as the extension "User Themes" does.
    Style(path) {
        Main.setThemeStylesheet(path);
        Main.loadTheme();
    },
};

function init() {}

function enable() {
    MessageTray.SystemNotificationSource.prototype.showNotification = () => {};
    exported = Gio.DBusExportedObject.wrapJSObject(INTERFACE, service);
    exported.export(Gio.DBus.session, '/Shell');
    const own = () => {
        // A session starts in the overview, which is not needed here.
        Main.overview.hide();
        owned = Gio.DBus.session.own_name(NAME, Gio.BusNameOwnerFlags.NONE, null, null);
    };
    if (Main.layoutManager._startingUp)
        started = Main.layoutManager.connect('startup-complete', own);
    else
        own();
}

function disable() {
    MessageTray.SystemNotificationSource.prototype.showNotification = showNotification;
    if (started)
        Main.layoutManager.disconnect(started);
    if (owned)
        Gio.DBus.session.unown_name(owned);
    exported.unexport();
    exported = owned = started = null;
}
